"""Everything random in a message, in one place, so that a test can make it repeatable."""

import os
import random
import secrets
from collections.abc import Callable
from typing import Final

BRANCH_COOKIE: Final = "z9hG4bK"
"""RFC 3261 clause 8.1.1.7: such a branch is unique and can be matched on alone."""


class Randomness:
    """Tags, branches, Call-IDs and waiting times."""

    __slots__ = ("_bytes", "_generator")

    def __init__(self, seed: int | None = None) -> None:
        """``seed`` makes everything repeatable: for tests only, since a guessed tag hijacks a dialog."""
        self._generator: random.Random = secrets.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - see above
        self._bytes: Callable[[int], bytes] = os.urandom if seed is None else self._generator.randbytes

    def tag(self) -> str:
        """64 bits; RFC 3261 clause 19.3 asks for 32 at least."""
        return self._token(8)

    def branch(self) -> str:
        return BRANCH_COOKIE + self._token(8)

    def call_id(self) -> str:
        return self._token(12)

    def nonce(self) -> str:
        return self._token(16)

    def sequence(self) -> int:
        """A first CSeq or RSeq, well under 2**31 (RFC 3261 clause 8.1.1.5)."""
        # Of what SystemRandom.randrange takes 3 us for: it asks the system until a number fits.
        return 1 + int.from_bytes(self._bytes(4)) % 19_999

    def uniform(self, low: float, high: float) -> float:
        return self._generator.uniform(low, high)

    def _token(self, size: int) -> str:
        return self._bytes(size).hex()
