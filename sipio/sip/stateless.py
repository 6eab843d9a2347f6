"""Answers without a transaction (RFC 3261 clause 8.2.7): to requests that cannot be read."""

import hashlib
from typing import Final

from sipio.sip.address import Address
from sipio.sip.malformed import salvage
from sipio.sip.serialize import ResponseHead, printable, response_address, stamped_via
from sipio.sip.user_agent_core import UserAgentCore


class StatelessAnswers:
    """Those of one user agent."""

    __slots__ = ("_core", "_secret")

    def __init__(self, core: UserAgentCore, secret: str) -> None:
        """``secret``: by it nobody else can tell the tags of our answers."""
        self._core: Final = core
        self._secret: Final = secret

    def refuse_version(self, data: bytes, source: Address) -> None:
        """Answer a request of another version of SIP with 505, or count what cannot be answered."""
        self._refuse(data, source, 505)

    def refuse_malformed(self, data: bytes, source: Address, reason: str) -> None:
        """Answer a broken request with 400, or count what cannot be answered."""
        self._refuse(data, source, 400, printable(reason))

    def _refuse(self, data: bytes, source: Address, status: int, reason: str = "") -> None:
        request = salvage(data)
        if request is None:
            self._core.counters.unreadable += 1
            return
        self._core.counters.bad_requests += 1
        via = request.get("via") or ""
        # Every retransmission is answered with the same tag.
        tag = hashlib.blake2s((self._secret + via + (request.get("call-id") or "")).encode(), digest_size=8).hexdigest()
        data = ResponseHead(request, stamped_via(via, source)).build(status, reason, tag, self._core.server_headers)
        self._core.send(response_address(source, via), data)
