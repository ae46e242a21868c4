"""What the glasses and the server share: the generated wire code and the topic vocabulary."""
