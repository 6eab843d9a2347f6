"""What we send in the dialog of one session: requests, again with credentials where they are challenged, and ACKs."""

from collections.abc import Callable
from functools import partial
from typing import Final

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.dialog import Dialog
from sipio.sip.digest_client import DigestClient
from sipio.sip.events import ChallengeUnmet
from sipio.sip.message import Response
from sipio.sip.serialize import Headers
from sipio.sip.transaction import ClientTransaction, OutgoingRequest
from sipio.sip.user_agent_core import UserAgentCore

OnResponse = Callable[[Response, float], None]
OnFailure = Callable[[bool, float], None]


class DialogRequests:
    """The requests of ours in one dialog."""

    __slots__ = ("_core", "_digest", "_invite", "dialog", "heard_at")

    def __init__(self, core: UserAgentCore, digest: DigestClient, dialog: Dialog | None = None) -> None:
        self._core: Final = core
        self._digest: Final = digest
        self._invite: ClientTransaction | None = None
        """The last re-INVITE."""
        self.dialog = dialog
        """None until there is one; before the answer that of the fork heard from last."""
        self.heard_at = 0.0
        """When the peer last sent a request of the dialog, or accepted one of ours, by the user agent's clock."""

    def required_dialog(self) -> Dialog:
        """The dialog.

        Raises:
            LocalError: there is none yet.
        """
        if self.dialog is None:
            raise LocalError("no dialog yet")
        return self.dialog

    def contact(self) -> tuple[str, str]:
        """Our Contact header as the peer is to know it."""
        return self._core.contact(self.required_dialog().local_address)

    def send(
        self,
        method: str,
        headers: Headers,
        body: bytes = b"",
        on_response: OnResponse | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        """Send a request. ``on_response`` has every answer but a challenge that we can meet;
        ``on_failure(broken, now)`` is told of a timeout (False) or of a broken transport (True).

        Raises:
            LocalError: there is no dialog yet.
        """
        dialog = self.required_dialog()
        uri, everything = dialog.request_headers(method, dialog.next_sequence())
        everything += self._digest.headers(method, uri)
        everything += self._core.user_agent_headers
        everything += headers
        transaction = self._core.layer.request(
            OutgoingRequest(method, uri, everything, body),
            destination=self._next_hop(dialog),
            local=dialog.local_address,
            on_response=partial(self._answered, method, headers, body, on_response, on_failure),
            on_failure=on_failure or _ignore_failure,
            now=self._core.clock(),
        )
        if method == "INVITE":
            self._invite = transaction

    def acknowledge(self, number: int) -> tuple[bytes, Address]:
        """ACK the 2xx to the INVITE of this CSeq number. Returns the ACK and where it went, for the 2xx once more."""
        dialog = self.required_dialog()
        uri, headers = dialog.request_headers("ACK", number)
        headers += self._digest.headers("ACK", uri)
        headers += self._core.user_agent_headers
        destination = self._next_hop(dialog)
        data = self._core.layer.ack(uri, headers, destination=destination, local=dialog.local_address)
        return data, destination

    def give_up_invite(self) -> None:
        """The session is over: a re-INVITE that had a provisional answer has no timer of its own that would end it."""
        if self._invite is not None:
            self._invite.give_up(self._core.clock(), self._core.settings.timers.transaction)

    def stop(self) -> None:
        """The session is over: no re-INVITE is held any more. What is under way is answered all the same."""
        self._invite = None

    def _answered(
        self,
        method: str,
        headers: Headers,
        body: bytes,
        on_response: OnResponse | None,
        on_failure: OnFailure | None,
        response: Response,
        now: float,
    ) -> None:
        if response.status in {401, 407}:
            if self._digest.challenged(response):
                self.send(method, headers, body, on_response, on_failure)
                return
            uri = self.required_dialog().remote_target
            self._core.emit(ChallengeUnmet(uri=uri, status=response.status, reason=self._digest.unmet))
        if response.status < 300:
            self._digest.succeeded()
            self.heard_at = now
        if on_response is not None:
            on_response(response, now)

    def _next_hop(self, dialog: Dialog) -> Address:
        return dialog.next_hop(dialog.flow in self._core.connections)


def _ignore_failure(broken: bool, now: float) -> None:
    """A request that nobody waits for may fail: nothing depends on its answer."""
