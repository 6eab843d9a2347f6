"""What the user agent needs of its sessions: whom it hands what comes in a dialog, and how it ends them all."""

from typing import Protocol

from sipio.sip.address import Address
from sipio.sip.message import Request
from sipio.sip.serialize import Headers
from sipio.sip.transaction import ServerTransaction


class DialogUser(Protocol):
    """Whoever a dialog belongs to (RFC 3261 clause 12)."""

    def receive_in_dialog(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """A request of the dialog, but ACK and CANCEL; it is to be answered.

        Raises:
            MalformedMessage: it cannot be read after all, and has not been answered.
        """

    def receive_ack(self, request: Request, now: float) -> None:
        """An ACK to a 2xx of ours."""

    def receive_cancel(self, cancel: Request, now: float) -> None:
        """A CANCEL of the INVITE that made the dialog; it was answered."""


class RunningSession(Protocol):
    """A session that has not ended."""

    def end(self, code: int, reason: str = "", headers: Headers | None = None) -> None:
        """End it in whatever way its state asks for."""
