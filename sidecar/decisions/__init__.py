"""Class 4: what a switch is told about a call."""
