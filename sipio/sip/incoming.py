"""Calls to us: the INVITE's server side (RFC 3261 clause 13.3, RFC 3262)."""

from typing import Final

from sipio.errors import LocalError, MalformedMessage
from sipio.sip.address import Address
from sipio.sip.bodies import session_description
from sipio.sip.dialog import incoming_dialog
from sipio.sip.events import EndedBy, SessionConfirmed
from sipio.sip.media_description import LocalMedia, NegotiatedMedia
from sipio.sip.message import Request
from sipio.sip.offer_answer import NoCommonMedia, audio_position
from sipio.sip.pending_response import PendingResponse
from sipio.sip.reoffer import CALLEE_GLARE_SECONDS
from sipio.sip.sdp import SessionDescription
from sipio.sip.serialize import Headers, check_headers, printable
from sipio.sip.session import Session
from sipio.sip.session_table import INCOMING, SessionInput, SessionState
from sipio.sip.session_timer import requires
from sipio.sip.tag import tag_of
from sipio.sip.transaction import ServerTransaction
from sipio.sip.user_agent_core import ALLOW, SDP_TYPE, SUPPORTED, UserAgentCore

TRYING_SECONDS: Final = 0.1
"""An INVITE that has no answer by then, or by the next tenth of a second, is answered 100 Trying: RFC 3261 clause
17.2.1 gives it 200 ms. Most are answered sooner, and a datagram is 35 us of a call's time."""
PROVISIONAL_SECONDS: Final = 60.0
"""A provisional answer is repeated this often so that no proxy gives the call up (RFC 3261 clause 13.3.1.1)."""
PROVISIONALS: Final = 16
"""Reliable provisional answers that may wait for the PRACK of the one before."""


class IncomingSession(Session):
    """A call to us. `SessionConfirmed` where it is answered; in every case one `SessionEnded`."""

    __slots__ = (
        "_acceptance",
        "_last_provisional",
        "_offer",
        "_reliable",
        "_repetition",
        "_ring_timeout",
        "_rseq",
        "_sdp",
        "_transaction",
        "_unconfirmed",
        "_unconfirmed_sdp",
        "_waiting",
        "request",
        "source",
        "user",
    )

    def __init__(
        self,
        core: UserAgentCore,
        transaction: ServerTransaction,
        request: Request,
        source: Address,
        *,
        merge_key: tuple[str, ...],
        offer: SessionDescription | None,
        user: str,
    ) -> None:
        """``merge_key`` is that of the INVITE; ``offer`` is its body, where it has one.

        Raises:
            MalformedMessage: no dialog can be made of the INVITE.
        """
        dialog = incoming_dialog(
            request, local_tag=transaction.to_tag, local_address=core.listeners.towards(source), source=source
        )
        super().__init__(
            core,
            dialog.call_id,
            None,
            table=INCOMING,
            state=SessionState.EARLY,
            glare_seconds=CALLEE_GLARE_SECONDS,
        )
        self.request: Final = request
        self.source: Final = source
        """Where it came from."""
        self.user: Final = user
        """The configured user that proved its password; empty for none."""
        self._requests.dialog = dialog
        self._transaction: Final = transaction
        self._reliable: Final = "100rel" in requires(request)
        self._offer: Final = offer
        self._sdp = b""
        """Our answer or offer, once a provisional answer has carried it; repeated in the 200."""
        self._rseq = core.randomness.sequence()
        self._unconfirmed: PendingResponse | None = None
        """The reliable provisional answer that waits for its PRACK."""
        self._unconfirmed_sdp = False
        """Whether that one has SDP: then the 200 waits for its PRACK as well (RFC 3262 clause 3)."""
        self._waiting: list[tuple[int, str, Headers, bytes]] = []
        self._acceptance: tuple[LocalMedia | None, Headers]
        """The accept() that waits for a PRACK; there is one in `ACCEPTING` alone."""
        self._last_provisional: tuple[int, str, Headers] = (180, "", [])
        now = core.clock()
        timers = core.timers
        self._repetition = timers.start_about(now + TRYING_SECONDS, self._say_trying)
        self._ring_timeout: Final = timers.start(now + core.settings.ring_timeout_seconds, self._nobody_answered)
        self._merge_key = merge_key
        core.invites.add(self._merge_key)
        core.dialogs[dialog.key] = self

    @property
    def local_address(self) -> Address:
        """Our own address as the peer knows it."""
        return self._requests.required_dialog().local_address

    @property
    def offered_host(self) -> str:
        """Where the INVITE's offer has the audio; empty for no offer."""
        position = audio_position(self._offer, self._core.settings.codecs) if self._offer is not None else None
        return self._offer.media[position].host if self._offer is not None and position is not None else ""

    def ring(self, headers: Headers | None = None) -> None:
        """Answer 180 Ringing; see `progress`."""
        self.progress(status=180, headers=headers)

    def progress(
        self,
        media: LocalMedia | None = None,
        *,
        status: int = 183,
        reason: str = "",
        headers: Headers | None = None,
    ) -> None:
        """A provisional answer, with SDP where ``media`` is given (early media; `MediaChanged` follows at once where
        the INVITE had an offer). Sent reliably where the peer requires 100rel.

        Raises:
            LocalError: a status outside 101 to 199, or more than `PROVISIONALS` waiting for their PRACK.
        """
        checked = check_headers(headers)
        if not 100 < status < 200:
            raise LocalError(f"{status} is no provisional answer")
        if not self._move(SessionInput.PROVISIONAL):
            return
        body = b""
        # RFC 3264 clause 4, RFC 3262 clause 5: an unreliable answer to no offer has nothing to say yet.
        if media is not None and (self._offer is not None or self._reliable) and not self._sdp:
            try:
                agreed = self._describe(media)
            except NoCommonMedia:
                self._refuse(488, "", [], EndedBy.SYSTEM)
                return
            if agreed is not None:
                self._media.agree(agreed)
            body = self._sdp
        elif media is not None:
            body = self._sdp if not self._reliable else b""
        self._last_provisional = (status, reason, checked)
        if self._reliable and self._unconfirmed is not None:
            if len(self._waiting) >= PROVISIONALS:
                raise LocalError("too many provisional answers wait for their PRACK")
            self._waiting.append((status, reason, checked, body))
        else:
            self._send_provisional(status, reason, checked, body)

    def accept(self, media: LocalMedia | None = None, headers: Headers | None = None) -> None:
        """200 OK; ``media`` may be left out where progress() had it. `MediaChanged` at once, or with the ACK where the
        INVITE had no offer; `SessionConfirmed` with the ACK.

        Raises:
            LocalError: no media, neither here nor before.
        """
        checked = check_headers(headers)
        if not self._may(SessionInput.ACCEPT):
            return
        if media is None and self._media.local is None:
            raise LocalError("accept() without media")
        if self._unconfirmed is not None and self._unconfirmed_sdp:
            self._acceptance = (media, checked)
            self._move(SessionInput.ACCEPT)
        else:
            self._accept(media, checked)

    def reject(self, code: int, reason: str = "", headers: Headers | None = None) -> None:
        """A final refusal, 300 to 699. `SessionEnded` follows at once.

        Raises:
            LocalError: another code, or a reason with a line end.
        """
        checked = check_headers(headers)
        if not 300 <= code < 700 or "\r" in reason or "\n" in reason:
            raise LocalError(f"{code} {reason!r} is no refusal")
        self._refuse(code, reason, checked, EndedBy.US)

    def end(self, code: int = 480, reason: str = "", headers: Headers | None = None) -> None:
        """`reject` it before its answer, else `bye`."""
        if self._answered:
            self.bye(headers)
        else:
            self.reject(code, reason, headers)

    def receive_cancel(self, cancel: Request, now: float) -> None:
        """The peer's CANCEL; it was answered. Of no effect once the INVITE itself was (clause 9.2)."""
        if self._may(SessionInput.CANCEL):
            self._core.respond(self._transaction, 487, now=now)
            self._finish(SessionInput.CANCEL, EndedBy.PEER, status=487, reason="CANCEL", message=cancel)

    # ---- the answers to the INVITE ----

    def _describe(self, media: LocalMedia) -> NegotiatedMedia | None:
        """Make our SDP: the answer to the INVITE's offer, with what is agreed by it, or an offer.

        Raises:
            NoCommonMedia: the offer has nothing for this side of ours.
        """
        self._media.local = media
        if self._offer is None:
            self._sdp = self._media.negotiation.offer(media)
            return None
        self._sdp, agreed = self._media.negotiation.answer(self._offer, media)
        return agreed

    def _accept(self, media: LocalMedia | None, headers: Headers) -> None:
        now = self._core.clock()
        self._stop_ringing()
        body = self._sdp
        local = media or self._media.required_local()
        settled = self._reliable and bool(body) and not self._media.negotiation.offer_pending
        agreed: NegotiatedMedia | None = None
        if not body:
            try:
                agreed = self._describe(local)
            except NoCommonMedia:
                self._refuse(488, "", [], EndedBy.SYSTEM)
                return
            body = self._sdp
        elif settled:
            # Agreed by a reliable provisional answer: the 200 has none (RFC 3262 clause 5).
            body = b""
        self._move(SessionInput.SUCCESS)
        if agreed is not None:
            self._media.agree(agreed)
        everything = [*self._dialog_headers(), *self._refresh.answer(self.request, now), *headers]
        if body:
            everything.append(SDP_TYPE)
        data = self._transaction.respond(200, headers=everything, body=body, now=now)
        self._await_ack(self._transaction, self.request.sequence()[0], data, now)

    def _acknowledged(self, usable: bool) -> None:
        if usable and self._state is SessionState.CONNECTING:
            self._core.emit(SessionConfirmed(session=self))
        super()._acknowledged(usable)

    def _send_provisional(self, status: int, reason: str, headers: Headers, body: bytes) -> None:
        now = self._core.clock()
        everything = [*self._dialog_headers(), *headers]
        if self._reliable:
            self._rseq += 1
            everything += [("Require", "100rel"), ("RSeq", str(self._rseq))]
        if body:
            everything.append(SDP_TYPE)
        data = self._transaction.respond(status, reason, everything, body, now=now)
        if self._reliable and data:
            self._unconfirmed_sdp = bool(body)
            self._unconfirmed = PendingResponse(
                self._core.timers,
                self._core.settings.timers,
                self._transaction,
                data,
                doubles_for_ever=True,
                gave_up=self._prack_never_came,
                now=now,
            )

    def _receive_prack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        number, method = self.request.sequence()
        expected = [str(self._rseq), str(number), method]
        if self._unconfirmed is None or (request.get("rack") or "").split() != expected:
            self._core.respond(transaction, 481, now=now)
            return
        body = b""
        agreed: NegotiatedMedia | None = None
        described = session_description(request)
        if described is not None:
            try:
                if self._media.negotiation.offer_pending:
                    agreed = self._media.negotiation.accept_answer(described)
                elif self._media.local is not None:
                    body, agreed = self._media.negotiation.answer(described, self._media.local)
            except NoCommonMedia:
                self._core.respond(transaction, 488, now=now)
                return
            except MalformedMessage as error:
                self._core.respond(transaction, 400, printable(str(error)), now=now)
                return
        self._unconfirmed.stop()
        self._unconfirmed = None
        self._core.respond(transaction, 200, headers=[SDP_TYPE] if body else [], body=body, now=now)
        if agreed is not None:
            self._media.agree(agreed)
        if self._state is SessionState.ACCEPTING:
            self._waiting.clear()
            self._accept(*self._acceptance)
        elif self._waiting and self._may(SessionInput.PROVISIONAL):
            self._send_provisional(*self._waiting.pop(0))

    def _receive_bye(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        if self._may(SessionInput.FAILURE):
            # Clause 15.1.2: the INVITE itself still has to be answered.
            self._core.respond(self._transaction, 487, now=now)
        super()._receive_bye(transaction, request, now)

    def _refuse(self, code: int, reason: str, headers: Headers, by: EndedBy) -> None:
        if self._may(SessionInput.FAILURE):
            self._core.respond(self._transaction, code, reason, headers=headers, now=self._core.clock())
            self._finish(SessionInput.FAILURE, by, status=code, reason=reason)

    def _say_trying(self, now: float) -> None:
        self._transaction.say_trying()
        self._repetition = self._core.timers.start(now + PROVISIONAL_SECONDS, self._repeat_provisional)

    def _repeat_provisional(self, now: float) -> None:
        status, reason, headers = self._last_provisional
        if self._unconfirmed is None:
            self._send_provisional(status, reason, headers, b"")
        self._repetition = self._core.timers.start(now + PROVISIONAL_SECONDS, self._repeat_provisional)

    def _nobody_answered(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        self._refuse(480, "No Answer", [], EndedBy.SYSTEM)

    def _prack_never_came(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        self._unconfirmed = None
        # RFC 3262 clause 3.
        self._refuse(504, "PRACK never came", [], EndedBy.SYSTEM)

    def _stop_ringing(self) -> None:
        self._core.timers.cancel(self._repetition)
        self._core.timers.cancel(self._ring_timeout)

    def _forget(self) -> None:
        self._stop_ringing()
        if self._unconfirmed is not None:
            self._unconfirmed.stop()
            self._unconfirmed = None
        super()._forget()

    def _dialog_headers(self) -> Headers:
        """The headers of every answer that makes the dialog (clause 12.1.1)."""
        # Only the transaction knows them while the INVITE is unanswered.
        head = self._transaction.head
        routes = head.record_route if head is not None else []
        return [*routes, self._requests.contact(), ALLOW, SUPPORTED, *self._core.server_headers]


def merge_key(request: Request) -> tuple[str, ...]:
    """What one INVITE is known by, whichever way it came (clause 8.2.2.2)."""
    return (request.get("call-id") or "", tag_of(request.get("from") or ""), request.get("cseq") or "")
