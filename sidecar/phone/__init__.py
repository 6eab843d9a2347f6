"""A phone in the terminal: a Class 5 script is tried without a switch and without a daemon."""
