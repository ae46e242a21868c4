"""The guard: the only way from an observation to events, and the rules it asks. One rule, one file."""
