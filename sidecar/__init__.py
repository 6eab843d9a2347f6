"""The product: who has which script, what a script may ask of its host, what its outcome means for a call."""

from typing import Final

__version__: Final = "0.2.0"
"""The release; the packages, ``--version`` and the metrics have it from here. CHANGELOG.md says what is in it."""
