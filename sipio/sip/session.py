"""One call as the user agent sees it: what incoming and outgoing ones have in common once there is a dialog."""

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.dialog import Dialog
from sipio.sip.digest_client import DigestClient
from sipio.sip.events import (
    DigitReceived,
    EndedBy,
    InfoReceived,
    SessionEnded,
    SessionEvent,
)
from sipio.sip.info import parse_digit
from sipio.sip.media_description import Direction, LocalMedia, NegotiatedMedia
from sipio.sip.message import Request, Response, SipMessage
from sipio.sip.pending_response import PendingResponse
from sipio.sip.reason_header import q850_cause
from sipio.sip.serialize import Headers, check_headers
from sipio.sip.session_media import SessionMedia
from sipio.sip.session_refresh import SessionRefresh
from sipio.sip.settings import Credentials
from sipio.sip.transaction import ClientTransaction, ServerTransaction
from sipio.sip.user_agent_core import ALLOW, SUPPORTED, UserAgentCore

OnResponse = Callable[[Response, float], None]
OnFailure = Callable[[bool, float], None]


class SessionDriver(Protocol):
    """Whoever drives a session and is to be told what happens to it."""

    def session_event(self, event: SessionEvent, /) -> None:
        """Something happened to the session that the event names."""
        ...


class Session:
    """What incoming and outgoing sessions share. A command on a session that has ended does nothing."""

    def __init__(self, core: UserAgentCore, call_id: str, credentials: Credentials | None) -> None:
        self.driver: SessionDriver | None = None
        """Whoever drives the session puts itself here; the user agent never looks at it."""
        self._core: Final = core
        self._call_id: Final = call_id
        self._id: Final = call_id if call_id not in core.sessions else f"{call_id};{core.randomness.tag()}"
        self._digest: Final = DigestClient(credentials, core.randomness)
        self._dialog: Dialog | None = None
        self._media: Final = SessionMedia(self, core)
        self._answered = False
        self._ended = False
        self._merge_key: tuple[str, ...] = ()
        self._pending_ack: tuple[int, PendingResponse] | None = None
        """The CSeq number of an INVITE that we answered with 2xx, until its ACK."""
        self._bye_after_ack: Headers | None = None
        self._reinvite: ClientTransaction | None = None
        """The last re-INVITE of ours."""
        self._refresh: Final = SessionRefresh(self, core)
        core.sessions[self._id] = self

    @property
    def id(self) -> str:
        """Unique among this agent's sessions: the Call-ID, or more where one Call-ID has several."""
        return self._id

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self._call_id

    @property
    def answered(self) -> bool:
        """Whether a 2xx was sent or received."""
        return self._answered

    @property
    def ended(self) -> bool:
        """Whether `SessionEnded` was told."""
        return self._ended

    @property
    def media(self) -> NegotiatedMedia | None:
        """As the last `MediaChanged` said."""
        return self._media.agreed

    def end(self, code: int = 480, reason: str = "", headers: Headers | None = None) -> None:
        """End it in whatever way its state asks for: a refusal with ``code``, CANCEL, or BYE. ``headers`` go along,
        such as ``("Reason", "Q.850;cause=16")``. `SessionEnded` follows; for a CANCEL once its outcome is known.

        Raises:
            InvalidHeader: as for every command with headers.
        """
        raise NotImplementedError

    def bye(self, headers: Headers | None = None) -> None:
        """End an answered session; `SessionEnded` follows at once. Before the ACK to our 200 the BYE is held back until
        the ACK is in, as RFC 3261 clause 15 has it."""
        checked = check_headers(headers)
        if self._answered and not self._ended:
            self.hang_up(checked, EndedBy.US, "BYE")

    def hold(self) -> None:
        """Re-INVITE with ``sendonly``; `ReinviteFinished` follows. Glare is tried again by itself."""
        self._media.redirect(Direction.SENDONLY)

    def resume(self) -> None:
        """Re-INVITE with ``sendrecv``."""
        self._media.redirect(Direction.SENDRECV)

    def reinvite(self, media: LocalMedia, headers: Headers | None = None) -> None:
        """Offer other media of ours."""
        self._media.want(media, check_headers(headers))

    def info(self, content_type: str, body: bytes, headers: Headers | None = None) -> None:
        """Send an INFO in the dialog; its answer is not reported.

        Raises:
            LocalError: a content type with a line end.
        """
        if "\r" in content_type or "\n" in content_type:
            raise LocalError("bad content type")
        checked = check_headers(headers)
        if self._dialog is not None and not self._ended:
            self.send_request("INFO", [*checked, ("Content-Type", content_type)], body, self._info_answered)

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """INFO with application/dtmf-relay."""
        self.info("application/dtmf-relay", f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode())

    # What the user agent calls.

    def receive_in_dialog(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """A request of the dialog, but ACK and CANCEL."""
        dialog = self._dialog
        if dialog is None:
            transaction.respond(481, headers=self._core.server_headers, now=now)
            return
        if not dialog.accepts_sequence(request.sequence()[0]):
            # Clause 12.2.2.
            self.respond(transaction, 500, "CSeq out of order", now=now)
            return
        method = request.method
        if method == "BYE":
            self._receive_bye(transaction, request, now)
        elif self._ended:
            self.respond(transaction, 481, now=now)
        elif method in {"INVITE", "UPDATE"}:
            self._media.receive_offer(transaction, request, source, now)
        elif method == "INFO":
            self._receive_info(transaction, request, now)
        elif method == "PRACK":
            self._receive_prack(transaction, request, now)
        elif method == "OPTIONS":
            self.respond(transaction, 200, headers=[ALLOW, SUPPORTED, ("Accept", "application/sdp")], now=now)
        else:
            self.respond(transaction, 405, headers=[ALLOW], now=now)

    def receive_ack(self, request: Request, now: float) -> None:
        """An ACK to a 2xx of ours."""
        pending = self._pending_ack
        if pending is None or pending[0] != request.sequence()[0]:
            return
        pending[1].stop()
        self._pending_ack = None
        if not self._media.receive_ack(request.body):
            self._acknowledged(now)
            self.hang_up([], EndedBy.SYSTEM, "no usable SDP in the ACK")
            return
        self._acknowledged(now)

    def connection_address(self) -> Address | None:
        """The remote end that the dialog last heard from."""
        return self._dialog.flow if self._dialog else None

    # What the parts of a session call.

    @property
    def refresh(self) -> SessionRefresh:
        """What keeps it alive."""
        return self._refresh

    @property
    def awaits_ack(self) -> bool:
        """Whether an INVITE that we answered with 2xx waits for its ACK."""
        return self._pending_ack is not None

    @property
    def owns_call_id(self) -> bool:
        """Whether we began the call: who tries again later after glare (clause 14.1)."""
        return False

    def refresh_by_offer(self) -> None:
        """Our last description once more."""
        self._media.reoffer.refresh()

    def acknowledge(self, number: int, body: bytes = b"") -> None:
        """ACK a 2xx to a re-INVITE of ours."""
        dialog = self.required_dialog()
        uri, headers = dialog.request_headers("ACK", number)
        headers += self._digest.headers("ACK", uri)
        self._core.layer.ack(
            uri,
            headers + self._core.user_agent_headers,
            body,
            destination=self._next_hop(dialog),
            local=dialog.local_address,
        )

    def dialog_gone(self, reason: str) -> None:
        """The peer knows nothing of the dialog any more, or does not answer (clause 12.2.1.2)."""
        # Before the answer the INVITE's own final response says what becomes of the call.
        if self._answered:
            self.hang_up([], EndedBy.SYSTEM, reason)

    # Inside.

    def _acknowledged(self, now: float) -> None:  # noqa: ARG002 - a subclass wants it
        """The ACK to a 2xx is in: what waited for it goes on."""
        if self._bye_after_ack is not None:
            headers, self._bye_after_ack = self._bye_after_ack, None
            self._send_bye(headers)
        else:
            self._media.reoffer.begin()

    def _receive_prack(self, transaction: ServerTransaction, request: Request, now: float) -> None:  # noqa: ARG002
        # Only who is called sends anything that wants a PRACK.
        self.respond(transaction, 481, now=now)

    def _receive_bye(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        self.respond(transaction, 200, now=now)
        self._finish(EndedBy.PEER, reason="BYE", message=request)

    def _receive_info(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        found = parse_digit(request)
        self.respond(transaction, 200, now=now)
        if found is None:
            if request.body:
                self._core.emit(InfoReceived(session=self, request=request))
            return
        self._core.emit(DigitReceived(session=self, digit=found[0], duration_ms=found[1]))

    def await_ack(self, transaction: ServerTransaction, number: int, data: bytes, now: float) -> None:
        pending = PendingResponse(
            self._core.timers,
            self._core.settings.timers,
            transaction,
            data,
            doubles_for_ever=False,
            gave_up=self._ack_never_came,
            now=now,
        )
        self._pending_ack = (number, pending)

    def _ack_never_came(self, now: float) -> None:
        self._pending_ack = None
        self._core.counters.unconfirmed += 1
        if self._bye_after_ack is not None:
            self._acknowledged(now)
        else:
            self.hang_up([], EndedBy.SYSTEM, "ACK never came")

    def send_request(
        self,
        method: str,
        headers: Headers,
        body: bytes = b"",
        on_response: OnResponse | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        """Send a request of the dialog, and again with credentials where it is challenged."""
        dialog = self.required_dialog()
        number = dialog.next_sequence()
        uri, all_headers = dialog.request_headers(method, number)
        all_headers += self._digest.headers(method, uri)
        all_headers += self._core.user_agent_headers
        all_headers += headers
        transaction = self._core.layer.request(
            method,
            uri,
            all_headers,
            body,
            destination=self._next_hop(dialog),
            local=dialog.local_address,
            on_response=partial(self._request_answered, method, headers, body, on_response, on_failure),
            on_failure=on_failure or _ignore_failure,
            now=self._core.clock(),
        )
        if method == "INVITE":
            self._reinvite = transaction

    def _request_answered(
        self,
        method: str,
        headers: Headers,
        body: bytes,
        on_response: OnResponse | None,
        on_failure: OnFailure | None,
        response: Response,
        now: float,
    ) -> None:
        if response.status in {401, 407} and self._digest.challenged(response):
            self.send_request(method, headers, body, on_response, on_failure)
            return
        if response.status < 300:
            self._digest.succeeded()
        if on_response is not None:
            on_response(response, now)

    def _info_answered(self, response: Response, now: float) -> None:  # noqa: ARG002 - a callback's signature
        if response.status == 481 and not self._ended:
            self.dialog_gone("dialog unknown to the peer")

    def hang_up(self, headers: Headers, by: EndedBy, reason: str) -> None:
        """Send BYE, now or once the ACK is in, and tell that it is over."""
        if self._ended:
            return
        self._finish(by, reason=reason, keep_dialog=True)
        if self._pending_ack is not None:
            self._bye_after_ack = headers
        else:
            self._send_bye(headers)

    def _send_bye(self, headers: Headers) -> None:
        # The dialog stays known until the BYE is answered, so that one of the peer's that crosses it gets its 200.
        self.send_request("BYE", headers, b"", self._bye_answered, self._bye_failed)

    def _bye_answered(self, response: Response, now: float) -> None:  # noqa: ARG002 - a callback's signature
        if response.status >= 200:
            self._forget()

    def _bye_failed(self, broken: bool, now: float) -> None:  # noqa: ARG002 - a callback's signature
        self._forget()

    def _finish(
        self,
        by: EndedBy,
        *,
        status: int = 0,
        reason: str,
        message: SipMessage | None = None,
        keep_dialog: bool = False,
        contacts: list[str] | None = None,
    ) -> None:
        """Tell that it is over, once."""
        if not keep_dialog:
            self._forget()
        if self._ended:
            return
        self._ended = True
        self._refresh.stop()
        self._media.reoffer.stop()
        if self._reinvite is not None:
            # After a provisional answer no timer of its own would ever end it.
            self._reinvite.give_up(self._core.clock(), self._core.settings.timers.transaction)
        self._core.sessions.pop(self._id, None)
        self._core.invites.discard(self._merge_key)
        self._core.emit(
            SessionEnded(
                session=self,
                by=by,
                answered=self._answered,
                status=status,
                reason=reason,
                cause=q850_cause(message),
                headers=list(message.headers) if message is not None else [],
                contacts=contacts or [],
            )
        )

    def _forget(self) -> None:
        """Let go of the dialog."""
        if self._pending_ack is not None:
            self._pending_ack[1].stop()
            self._pending_ack = None
        dialog = self._dialog
        if dialog is not None and self._core.dialogs.get(dialog.key) is self:
            del self._core.dialogs[dialog.key]

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str = "",
        *,
        headers: Headers | None = None,
        body: bytes = b"",
        now: float,
    ) -> bytes:
        everything = [*self._core.server_headers, *headers] if headers else self._core.server_headers
        return transaction.respond(status, reason, everything, body, now=now)

    def _next_hop(self, dialog: Dialog) -> Address:
        return dialog.next_hop(dialog.flow in self._core.connections)

    def contact(self) -> tuple[str, str]:
        return self._core.contact(self.required_dialog().local_address)

    def required_dialog(self) -> Dialog:
        if self._dialog is None:
            raise LocalError("no dialog yet")
        return self._dialog


def _ignore_failure(broken: bool, now: float) -> None:
    """Nobody waits for it."""
