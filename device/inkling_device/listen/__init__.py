"""From sound to utterances: voice activity, the wake phrase, and transcribing what is meant for the assistant alone."""
