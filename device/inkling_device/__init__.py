"""The agent on the glasses: captures, understands, strips what is sensitive, and sends interest events."""
