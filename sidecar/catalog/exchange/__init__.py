"""A catalog between its two homes, the directory and the database: nothing of it is lost on the way."""
