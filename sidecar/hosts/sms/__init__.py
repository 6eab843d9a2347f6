"""Short messages of scripts, over an HTTP gateway."""
