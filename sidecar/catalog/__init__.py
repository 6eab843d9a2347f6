"""Scripts and their assignments: who has which."""
