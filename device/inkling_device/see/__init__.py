"""From pictures to tags: what is in a photo or a clip, whether people are, and how much of it is text."""
