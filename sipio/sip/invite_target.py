"""Whom an INVITE is for, and as whom we call."""

import msgspec

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.uri import Uri


class InviteTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to call, as whom, and by which servers."""

    uri: str
    from_: str = ""
    """A From value without its tag."""
    from_user: str = ""
    """In place of it, the user part of one at our own address."""
    to: str
    servers: Uri | Address
    """What is looked up for where to send it: the URI itself, or a proxy."""
    max_forwards: int = 70

    def from_value(self, local: Address) -> str:
        """From without its tag, where our own end is ``local``."""
        if self.from_:
            return self.from_
        return f"<sip:{self.from_user}@{f'[{local.host}]' if ':' in local.host else local.host}>"


def target_headers(from_: str, uri: str) -> tuple[str, str]:
    """From without its tag and To, fit for the wire.

    Raises:
        LocalError: a line end inside.
    """
    if any(character in from_ + uri for character in "\r\n\0"):
        raise LocalError("a line end in From or the target")
    if "<" not in from_:
        from_ = f"<{from_}>"
    return from_, f"<{uri}>"
