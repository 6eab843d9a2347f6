"""One call as the user agent sees it: what incoming and outgoing ones have in common once there is a dialog."""

from typing import Final, Protocol

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.bodies import SDP, UnsupportedBody, session_description
from sipio.sip.dialog_requests import DialogRequests
from sipio.sip.digest_client import DigestClient
from sipio.sip.events import (
    DigitReceived,
    EndedBy,
    MediaChanged,
    ReinviteFinished,
    SessionEnded,
    SessionEvent,
)
from sipio.sip.info import pressed_digits
from sipio.sip.media_description import LocalMedia, MediaDirection, NegotiatedMedia
from sipio.sip.message import Request, Response, SipMessage
from sipio.sip.offer_answer import MediaNegotiation
from sipio.sip.peer_offers import PeerOffers
from sipio.sip.pending_response import PendingResponse
from sipio.sip.reason_header import q850_cause
from sipio.sip.reoffer import Reoffer
from sipio.sip.serialize import Headers, check_headers
from sipio.sip.session_media import SessionMedia
from sipio.sip.session_refresh import SessionRefresh
from sipio.sip.session_table import ANSWERED, ENDED, SessionInput, SessionState, SessionTable
from sipio.sip.settings import Credentials
from sipio.sip.transaction import ServerTransaction
from sipio.sip.user_agent_core import ALLOW, KNOWN_METHODS, SUPPORTED, UserAgentCore

NO_COMMON_MEDIA: Final = ("Reason", 'Q.850;cause=88;text="Incompatible destination"')
"""Of a BYE to a peer whose answer, in a 2xx or an ACK, agrees on nothing (RFC 3326)."""


class SessionDriver(Protocol):
    """Whoever drives a session and is to be told what happens to it."""

    def session_event(self, event: SessionEvent, /) -> None:
        """Something happened to the session that the event names."""
        ...


class Session:
    """What incoming and outgoing sessions share. A command that has no place in the state of a session does nothing."""

    # With those of a subclass there are more than the thirty attributes that CPython keeps in the object itself.
    __slots__ = (
        "_answered",
        "_bye_headers",
        "_call_id",
        "_core",
        "_digest",
        "_id",
        "_media",
        "_merge_key",
        "_peer_offers",
        "_pending_ack",
        "_refresh",
        "_reoffer",
        "_requests",
        "_state",
        "_table",
        "driver",
    )

    def __init__(
        self,
        core: UserAgentCore,
        call_id: str,
        credentials: Credentials | None,
        *,
        table: SessionTable,
        state: SessionState,
        glare_seconds: tuple[float, float],
    ) -> None:
        self.driver: SessionDriver | None = None
        """Whoever drives the session puts itself here; the user agent never looks at it."""
        self._core: Final = core
        self._call_id: Final = call_id
        self._id: Final = call_id if call_id not in core.sessions else f"{call_id};{core.randomness.tag()}"
        self._table: Final = table
        self._state = state
        self._answered = False
        """Whether it was in one of `ANSWERED` ever: what no state after it remembers."""
        self._digest: Final = DigestClient(credentials, core.randomness)
        self._requests: Final = DialogRequests(core, self._digest)
        self._media: Final = SessionMedia(MediaNegotiation(str(core.randomness.sequence())), self._media_changed)
        self._refresh: Final = SessionRefresh(core, self._requests, self)
        self._reoffer: Final = Reoffer(core, self._requests, self._media, self._refresh, self, glare_seconds)
        self._peer_offers: Final = PeerOffers(core, self._requests, self._media, self._refresh, self._reoffer, self)
        self._merge_key: tuple[str, ...] = ()
        self._pending_ack: tuple[int, PendingResponse] | None = None
        """The CSeq number of an INVITE that we answered with 2xx, and the 2xx, until its ACK."""
        self._bye_headers: Headers | None = None
        """Those of the BYE that waits for that ACK."""
        core.sessions[self._id] = self

    @property
    def id(self) -> str:
        """Unique among this agent's sessions: the Call-ID, or more where one Call-ID has several."""
        return self._id

    @property
    def call_id(self) -> str:
        """The Call-ID header of every message of the session."""
        return self._call_id

    @property
    def state(self) -> SessionState:
        """Where it stands; see `sipio.sip.session_table`."""
        return self._state

    @property
    def answered(self) -> bool:
        """Whether a 2xx was sent, or one received that media were agreed by, also once the session has ended."""
        return self._answered

    @property
    def ended(self) -> bool:
        """Whether `SessionEnded` was told."""
        return self._state in ENDED

    @property
    def media(self) -> NegotiatedMedia | None:
        """What was agreed on last, as `MediaChanged` told it; None before the first time."""
        return self._media.agreed

    def connection_address(self) -> Address | None:
        """The remote end that the dialog last heard from."""
        dialog = self._requests.dialog
        return dialog.flow if dialog is not None else None

    @property
    def heard_at(self) -> float:
        """When the peer last sent a request of the dialog, or accepted one of ours, by the user agent's clock: that it
        is there. 0 for never."""
        return self._requests.heard_at

    # ---- commands ----

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
        self.hang_up(list(check_headers(headers)), EndedBy.US, "BYE")

    def hold(self) -> None:
        """Re-INVITE with ``sendonly``; `ReinviteFinished` follows. Glare is tried again by itself."""
        if not self.ended:
            self._reoffer.redirect(MediaDirection.SENDONLY)

    def resume(self) -> None:
        """Re-INVITE with ``sendrecv``; `ReinviteFinished` follows."""
        if not self.ended:
            self._reoffer.redirect(MediaDirection.SENDRECV)

    def reinvite(self, media: LocalMedia, headers: Headers | None = None) -> None:
        """Offer other media of ours; `ReinviteFinished` follows."""
        checked = check_headers(headers)
        if not self.ended:
            self._reoffer.want(media, checked)

    def info(self, content_type: str, body: bytes, headers: Headers | None = None) -> None:
        """Send an INFO in the dialog; its answer is not reported.

        Raises:
            LocalError: a content type with a line end.
        """
        if "\r" in content_type or "\n" in content_type:
            raise LocalError("bad content type")
        checked = check_headers(headers)
        if self._requests.dialog is not None and not self.ended:
            self._requests.send("INFO", [*checked, ("Content-Type", content_type)], body, self._info_answered)

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """Send a digit in an INFO (application/dtmf-relay)."""
        self.info("application/dtmf-relay", f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode())

    # ---- a DialogUser: what the user agent calls ----

    def receive_in_dialog(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """A request of the dialog, but ACK and CANCEL."""
        dialog = self._requests.dialog
        if dialog is None:
            self._core.respond(transaction, 481, now=now)
            return
        if not dialog.accepts_sequence(request.sequence()[0]):
            # Clause 12.2.2.
            self._core.respond(transaction, 500, "CSeq out of order", now=now)
            return
        self._requests.heard_at = now
        method = request.method
        if method == "BYE":
            self._receive_bye(transaction, request, now)
        elif self.ended:
            self._core.respond(transaction, 481, now=now)
        elif method in {"INVITE", "UPDATE"}:
            self._peer_offers.receive(transaction, request, source, now)
        elif method == "INFO":
            self._receive_info(transaction, request, now)
        elif method == "PRACK":
            self._receive_prack(transaction, request, now)
        elif method == "OPTIONS":
            session_description(request)
            self._core.respond(transaction, 200, headers=[ALLOW, SUPPORTED, ("Accept", SDP)], now=now)
        else:
            self._core.respond(transaction, 405 if method in KNOWN_METHODS else 501, headers=[ALLOW], now=now)

    def receive_ack(self, request: Request, now: float) -> None:  # noqa: ARG002 - as the protocol has it
        """An ACK to a 2xx of ours."""
        if self._pending_ack is None or self._pending_ack[0] != request.sequence()[0]:
            return
        self._stop_pending_ack()
        usable = self._peer_offers.receive_ack(request)
        self._acknowledged(usable)
        if not usable:
            self.hang_up([NO_COMMON_MEDIA], EndedBy.SYSTEM, "no usable SDP in the ACK")

    def receive_cancel(self, cancel: Request, now: float) -> None:
        """A CANCEL changes nothing of a session that did not begin with an INVITE of the peer's."""

    # ---- the owner of its parts: what they need of it ----

    def hang_up(self, headers: Headers, by: EndedBy, reason: str) -> None:
        """Send BYE, now or once the ACK is in, and tell that it is over."""
        if not self._finish(SessionInput.HANG_UP, by, reason=reason, cause=_cause_sent(headers)):
            return
        if self._state is SessionState.BYE_DEFERRED:
            self._bye_headers = headers
        else:
            self._send_bye(headers)

    def reinvite_finished(self, status: int) -> None:
        """Our re-INVITE was answered; `ReinviteFinished` tells of it."""
        self._core.emit(ReinviteFinished(session=self, status=status))

    def reinvite_accepted(self, transaction: ServerTransaction, number: int, data: bytes, now: float) -> None:
        """We answered a re-INVITE of the peer's with a 2xx that waits for its ACK."""
        self._move(SessionInput.REINVITE)
        self._await_ack(transaction, number, data, now)

    def refresh_by_offer(self) -> None:
        """Send our last description once more."""
        self._reoffer.refresh()

    # ---- the state ----

    def _may(self, what: SessionInput) -> bool:
        """Whether this means anything in the state."""
        return what in self._table.get(self._state, {})

    def _move(self, what: SessionInput) -> bool:
        """Move as the table says; False where it says nothing."""
        following = self._table.get(self._state, {}).get(what)
        if following is None:
            return False
        self._state = following
        if following in ANSWERED:
            self._answered = True
        return True

    def _finish(
        self,
        what: SessionInput,
        by: EndedBy,
        *,
        status: int = 0,
        reason: str,
        message: SipMessage | None = None,
        contacts: list[str] | None = None,
        cause: int = 0,
    ) -> bool:
        """What ends the session: move, and tell that it is over where that was not told. False where the table says
        nothing. ``cause`` is the Q.850 cause where no message of the peer's has one."""
        told = self.ended
        if not self._move(what):
            return False
        if self._state is SessionState.TERMINATED:
            self._forget()
        if told:
            if self._state is SessionState.TERMINATED:
                self._let_go()
            return True
        self._refresh.stop()
        self._reoffer.stop()
        self._core.sessions.pop(self._id, None)
        self._core.invites.discard(self._merge_key)
        self._core.emit(
            SessionEnded(
                session=self,
                by=by,
                answered=self._answered,
                status=status,
                reason=reason,
                cause=q850_cause(message.get_all("reason")) if message is not None else cause,
                headers=list(message.headers) if message is not None else [],
                contacts=contacts or [],
            )
        )
        if self._state is SessionState.TERMINATED:
            self._let_go()
        return True

    def _let_go(self) -> None:
        """Nothing can come any more. The session's parts know it, so it forgets them: it is freed when it is let go,
        and not by the collector, which comes late to what has lived as long as a call."""
        del self._peer_offers, self._reoffer, self._refresh
        self._media.stop()
        self._requests.stop()

    def _forget(self) -> None:
        """Let go of the dialog and of what waits."""
        self._stop_pending_ack()
        dialog = self._requests.dialog
        if dialog is not None and self._core.dialogs.get(dialog.key) is self:
            del self._core.dialogs[dialog.key]

    # ---- the ACK to a 2xx of ours ----

    def _await_ack(self, transaction: ServerTransaction, number: int, data: bytes, now: float) -> None:
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

    def _stop_pending_ack(self) -> None:
        if self._pending_ack is not None:
            self._pending_ack[1].stop()
            self._pending_ack = None

    def _acknowledged(self, usable: bool) -> None:
        """The ACK is in: what waited for it goes on. Not ``usable``: the session ends for want of any media."""
        self._move(SessionInput.ACK)
        if self._state is SessionState.TERMINATING:
            self._send_bye(self._bye_headers)
        elif usable:
            self._reoffer.begin()

    def _ack_never_came(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        self._pending_ack = None
        self._core.counters.unconfirmed += 1
        if self._finish(SessionInput.ACK_TIMEOUT, EndedBy.SYSTEM, reason="ACK never came"):
            self._send_bye(self._bye_headers)

    # ---- requests of the dialog ----

    def _receive_bye(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        self._core.respond(transaction, 200, now=now)
        self._finish(SessionInput.BYE, EndedBy.PEER, reason="BYE", message=request)

    def _receive_info(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        package = request.get("info-package")
        try:
            found = pressed_digits(request)
        except UnsupportedBody:
            if package is None:
                raise
            found = None
        if found is None and package is not None:
            # RFC 6086 clause 4.2.2: we have asked for no package.
            self._core.respond(transaction, 469, headers=[("Recv-Info", "")], now=now)
            return
        # Without a body it only asks whether the session is still there (RFC 6086 clause 4.2.2).
        self._core.respond(transaction, 200, now=now)
        for digit in found.digits if found is not None else "":
            self._core.emit(DigitReceived(session=self, digit=digit, duration_ms=found.duration_ms if found else 0))

    def _receive_prack(self, transaction: ServerTransaction, request: Request, now: float) -> None:  # noqa: ARG002
        # Only who is called sends anything that wants a PRACK.
        self._core.respond(transaction, 481, now=now)

    def _info_answered(self, response: Response, now: float) -> None:  # noqa: ARG002 - a callback's signature
        if response.status == 481:
            # Before the answer the INVITE's own final response says what becomes of the call.
            self.hang_up([], EndedBy.SYSTEM, "dialog unknown to the peer")

    def _send_bye(self, headers: Headers | None) -> None:
        self._requests.send("BYE", headers or [], b"", self._bye_answered, self._bye_failed)

    def _bye_answered(self, response: Response, now: float) -> None:  # noqa: ARG002 - a callback's signature
        if response.status >= 200:
            self._bye_over()

    def _bye_failed(self, broken: bool, now: float) -> None:  # noqa: ARG002 - a callback's signature
        self._bye_over()

    def _bye_over(self) -> None:
        if self._move(SessionInput.BYE_OVER):
            self._forget()
            self._let_go()

    def _media_changed(self, media: NegotiatedMedia) -> None:
        self._core.emit(MediaChanged(session=self, media=media, early=not self._answered))


def _cause_sent(headers: Headers) -> int:
    return q850_cause(value for name, value in headers if name.lower() == "reason")
