"""What the commands that ask a server over its HTTP API have in common."""
