"""Connections that scripts ask for: where they may go, how much, how long, and how many."""
