"""Class 5: scripts that drive calls, from the offer to the record."""
