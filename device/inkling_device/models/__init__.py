"""The model files that ship with the agent, with a card for each; how they are checked; where speech comes from."""
