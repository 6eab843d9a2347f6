"""What webhooks are signed with, in the words of Standard Webhooks (its section on signatures)."""

import base64
import binascii
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what secrets of Standard Webhooks begin with
SECRET_BYTES: Final = 32
_BYTES: Final = range(24, 49)
"""Standard Webhooks has up to 64; as base64 48 are what the database has room for."""


def parse_webhook_secret(text: str) -> str:
    """A secret as it is told. Raises ValueError, which does not have it."""
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(SECRET_PREFIX) or len(secret) not in _BYTES:
        raise ValueError(f"expected {SECRET_PREFIX} and {_BYTES[0]} to {_BYTES[-1]} bytes as base64")
    return text
