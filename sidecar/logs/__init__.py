"""The log: structured lines, and the output that never makes a call wait."""
