"""The modules that an App may import where nobody says which the host has: what a run itself brings."""

from typing import Final

AVAILABLE: Final = frozenset({"cxC5Server", "cxWebSocket"})
"""The call that it drives, and the web socket that it was asked over."""
