"""From words to topics: one small language model, its tokenizer, and what its outputs mean."""
