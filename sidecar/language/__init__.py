"""What can be said of a script before it runs: its syntax, its entry point, what its kind may not use."""
