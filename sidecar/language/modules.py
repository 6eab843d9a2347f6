"""The modules that an App may import where nobody says which the host has."""

AVAILABLE = frozenset({"cxC5Server"})
