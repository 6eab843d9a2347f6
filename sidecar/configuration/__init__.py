"""The one typed configuration: its tree, where it comes from, and how it is shown."""
