"""Running one script, whatever for: its program, its limits, its pool, and what became of it in words."""
