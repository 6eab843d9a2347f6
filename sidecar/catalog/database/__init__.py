"""The catalog in a database: whose it is, what each change leaves behind, and how processes follow it."""
