from typing import Final

VERSION: Final[str]
"""Of the JavaScript engine that is loaded, ``0.17.0``."""
