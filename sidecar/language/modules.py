"""The modules that an App may import where nobody says which the host has."""

from typing import Final

AVAILABLE: Final = frozenset({"cxC5Server"})
