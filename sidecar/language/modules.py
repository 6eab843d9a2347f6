"""Modules of scripts: what they may import, and the ES module dialect as the sandbox runs it."""

AVAILABLE = frozenset({"cxC5Server"})
"""What an App may import or require."""
