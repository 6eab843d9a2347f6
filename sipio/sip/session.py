"""One call as the user agent sees it: what incoming and outgoing ones have in common once there is a dialog."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sipio.errors import LocalError, MalformedMessage
from sipio.sip.address import Address
from sipio.sip.agent_context import ALLOW, SDP_TYPE, SUPPORTED, AgentContext
from sipio.sip.dialog import Dialog
from sipio.sip.digest_client import DigestClient
from sipio.sip.events import (
    DigitReceived,
    EndedBy,
    InfoReceived,
    MediaChanged,
    SessionEnded,
)
from sipio.sip.info import parse_digit
from sipio.sip.media_description import Direction, LocalMedia, NegotiatedMedia
from sipio.sip.message import Request, Response, SipMessage
from sipio.sip.offer_answer import MediaNegotiation, NoCommonMedia
from sipio.sip.pending_response import PendingResponse
from sipio.sip.reoffer import Reoffer
from sipio.sip.serialize import Headers, check_headers, printable
from sipio.sip.session_timer import SessionTimer, minimum_session_expires, session_expires
from sipio.sip.settings import Credentials
from sipio.sip.transaction import ClientTransaction, ServerTransaction

_CAUSE: Final = re.compile(r"Q\.850\s*;(?:.*;)?\s*cause\s*=\s*(\d{1,3})", re.IGNORECASE)

OnResponse = Callable[[Response, float], None]
OnFailure = Callable[[bool, float], None]


class Session:
    """What incoming and outgoing sessions share. A command on a session that has ended does nothing."""

    def __init__(self, context: AgentContext, call_id: str, credentials: Credentials | None) -> None:
        self.context: Any = None
        """For whoever drives the session; the user agent never looks at it."""
        self._agent: Final = context
        self._call_id: Final = call_id
        self._id: Final = call_id if call_id not in context.sessions else f"{call_id};{context.randomness.tag()}"
        self._digest: Final = DigestClient(credentials, context.randomness)
        self._dialog: Dialog | None = None
        self._negotiation = MediaNegotiation(str(context.randomness.sequence()))
        self._local_media: LocalMedia | None = None
        self._media: NegotiatedMedia | None = None
        self._answered = False
        self._ended = False
        self._merge_key: tuple[str, ...] = ()
        self._peer_allows: frozenset[str] = frozenset()
        self._pending_ack: tuple[int, PendingResponse] | None = None
        """The CSeq number of an INVITE that we answered with 2xx, until its ACK."""
        self._bye_after_ack: Headers | None = None
        self._reinvite: ClientTransaction | None = None
        """The last re-INVITE of ours."""
        self._reoffer: Final = Reoffer(self, context)
        self._timer: Final = SessionTimer(context.timers, self._refresh, self._expire)
        context.sessions[self._id] = self

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
        return self._media

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
            self._hang_up(checked, EndedBy.US, "BYE")

    def hold(self) -> None:
        """Re-INVITE with ``sendonly``; `ReinviteFinished` follows. Glare is tried again by itself."""
        self._redirect(Direction.SENDONLY)

    def resume(self) -> None:
        """Re-INVITE with ``sendrecv``."""
        self._redirect(Direction.SENDRECV)

    def reinvite(self, media: LocalMedia, headers: Headers | None = None) -> None:
        """Offer other media of ours."""
        checked = check_headers(headers)
        if self._answered and not self._ended:
            self._reoffer.want(media, checked)

    def info(self, content_type: str, body: bytes, headers: Headers | None = None) -> None:
        """Send an INFO in the dialog; its answer is not reported.

        Raises:
            LocalError: a content type with a line end.
        """
        if "\r" in content_type or "\n" in content_type:
            raise LocalError("bad content type")
        checked = check_headers(headers)
        if self._dialog is not None and not self._ended:
            self._request("INFO", [*checked, ("Content-Type", content_type)], body, self._info_answered)

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """INFO with application/dtmf-relay."""
        self.info("application/dtmf-relay", f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode())

    # What the user agent calls.

    def receive_in_dialog(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """A request of the dialog, but ACK and CANCEL."""
        dialog = self._dialog
        if dialog is None:
            transaction.respond(481, headers=self._agent.server_headers, now=now)
            return
        if not dialog.accepts_sequence(request.sequence()[0]):
            # Clause 12.2.2.
            self._respond(transaction, 500, "CSeq out of order", now=now)
            return
        method = request.method
        if method == "BYE":
            self._receive_bye(transaction, request, now)
        elif self._ended:
            self._respond(transaction, 481, now=now)
        elif method in {"INVITE", "UPDATE"}:
            self._receive_offer(transaction, request, source, now)
        elif method == "INFO":
            self._receive_info(transaction, request, now)
        elif method == "PRACK":
            self._receive_prack(transaction, request, now)
        elif method == "OPTIONS":
            self._respond(transaction, 200, headers=[ALLOW, SUPPORTED, ("Accept", "application/sdp")], now=now)
        else:
            self._respond(transaction, 405, headers=[ALLOW], now=now)

    def receive_ack(self, request: Request, now: float) -> None:
        """An ACK to a 2xx of ours."""
        pending = self._pending_ack
        if pending is None or pending[0] != request.sequence()[0]:
            return
        pending[1].stop()
        self._pending_ack = None
        if self._negotiation.offer_pending and not self._ended and not self._reoffer.pending:
            try:
                self._agree(self._negotiation.accept_answer(request.body), now)
            except (MalformedMessage, NoCommonMedia):
                self._negotiation.abandon_offer()
                if self._media is None:
                    self._acknowledged(now)
                    self._hang_up([], EndedBy.SYSTEM, "no usable SDP in the ACK")
                    return
        self._acknowledged(now)

    def connection_address(self) -> Address | None:
        """The remote end that the dialog last heard from."""
        return self._dialog.flow if self._dialog else None

    # What the parts of a session call.

    @property
    def negotiation(self) -> MediaNegotiation:
        """The offers and answers of the dialog."""
        return self._negotiation

    @property
    def owns_call_id(self) -> bool:
        """Whether we began the call: who tries again later after glare (clause 14.1)."""
        return False

    @property
    def may_offer(self) -> bool:
        """Whether a re-INVITE may go out now: the call is up, and none of the peer's waits for its ACK."""
        return self._answered and self._pending_ack is None and not self._negotiation.offer_pending

    def send_offer(
        self, media: LocalMedia | None, headers: Headers, on_response: OnResponse, on_failure: OnFailure
    ) -> None:
        """Send a re-INVITE, with our last description once more where ``media`` is None."""
        negotiation = self._negotiation
        if media is None:
            if self._local_media is None:
                raise LocalError("no media to refresh")
            media = self._local_media
        body = negotiation.offer(media)
        offered = [*headers, self._contact(), ALLOW, SUPPORTED, *self._timer_headers(), SDP_TYPE]
        self._request("INVITE", offered, body, on_response, on_failure)

    def acknowledge(self, number: int, body: bytes = b"") -> None:
        """ACK a 2xx to a re-INVITE of ours."""
        dialog = self._require_dialog()
        uri, headers = dialog.request_headers("ACK", number)
        headers += self._digest.headers("ACK", uri)
        self._agent.layer.ack(
            uri,
            headers + self._agent.user_agent_headers,
            body,
            destination=self._next_hop(dialog),
            local=dialog.local_address,
        )

    def offer_accepted(self, response: Response, media: NegotiatedMedia, local: LocalMedia, now: float) -> None:
        """Our re-INVITE was answered with 2xx."""
        self._refreshed(response, now)
        self._local_media = local
        self._agree(media, now)

    def dialog_gone(self, reason: str) -> None:
        """The peer knows nothing of the dialog any more, or does not answer (clause 12.2.1.2)."""
        # Before the answer the INVITE's own final response says what becomes of the call.
        if self._answered:
            self._hang_up([], EndedBy.SYSTEM, reason)

    # Inside.

    def _acknowledged(self, now: float) -> None:  # noqa: ARG002 - a subclass wants it
        """The ACK to a 2xx is in: what waited for it goes on."""
        if self._bye_after_ack is not None:
            headers, self._bye_after_ack = self._bye_after_ack, None
            self._send_bye(headers)
        else:
            self._reoffer.begin()

    def _receive_prack(self, transaction: ServerTransaction, request: Request, now: float) -> None:  # noqa: ARG002
        # Only who is called sends anything that wants a PRACK.
        self._respond(transaction, 481, now=now)

    def _receive_bye(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        self._respond(transaction, 200, now=now)
        self._finish(EndedBy.PEER, reason="BYE", message=request)

    def _receive_info(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        found = parse_digit(request)
        self._respond(transaction, 200, now=now)
        if found is None:
            if request.body:
                self._agent.emit(InfoReceived(session=self, request=request))
            return
        self._agent.emit(DigitReceived(session=self, digit=found[0], duration_ms=found[1]))

    def _receive_offer(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """A re-INVITE, or an UPDATE (RFC 3311)."""
        invite = request.method == "INVITE"
        settings = self._agent.settings
        if (self._reoffer.pending and (invite or request.body)) or (
            request.body and self._negotiation.offer_pending and self._pending_ack is None
        ):
            self._respond(transaction, 491, now=now)
            return
        if (invite and (not self._answered or self._pending_ack is not None)) or (
            request.body and (self._pending_ack is not None or self._local_media is None)
        ):
            # Clause 14.2, RFC 3311 clause 5.2.
            wait = str(int(self._agent.randomness.uniform(0, 10)))
            self._respond(transaction, 500, headers=[("Retry-After", wait)], now=now)
            return
        interval = session_expires(request)[0]
        if interval and interval < settings.minimum_session_expires_seconds:
            minimum = str(settings.minimum_session_expires_seconds)
            self._respond(transaction, 422, headers=[("Min-SE", minimum)], now=now)
            return
        headers = [self._contact(), ALLOW, SUPPORTED]
        body = b""
        agreed = None
        try:
            if request.body:
                body, agreed = self._negotiation.answer(request.body, self._require_local_media())
            elif invite:
                body = self._negotiation.offer(self._require_local_media())
            self._require_dialog().retarget(request, source)
        except NoCommonMedia:
            self._respond(transaction, 488, headers=[("Warning", '305 sidecar "no common codec"')], now=now)
            return
        except MalformedMessage as error:
            self._respond(transaction, 400, printable(str(error)), now=now)
            return
        self._note_peer(request)
        headers += self._timer.answer(request, wanted=settings.session_expires_seconds, now=now)
        if body:
            headers.append(SDP_TYPE)
        data = self._respond(transaction, 200, headers=headers, body=body, now=now)
        if invite:
            self._await_ack(transaction, request.sequence()[0], data, now)
        if agreed is not None:
            self._agree(agreed, now)

    def _await_ack(self, transaction: ServerTransaction, number: int, data: bytes, now: float) -> None:
        pending = PendingResponse(
            self._agent.timers,
            self._agent.settings.timers,
            transaction,
            data,
            doubles_for_ever=False,
            gave_up=self._ack_never_came,
            now=now,
        )
        self._pending_ack = (number, pending)

    def _ack_never_came(self, now: float) -> None:
        self._pending_ack = None
        self._agent.counters.unconfirmed += 1
        if self._bye_after_ack is not None:
            self._acknowledged(now)
        else:
            self._hang_up([], EndedBy.SYSTEM, "ACK never came")

    def _agree(self, media: NegotiatedMedia, now: float) -> None:  # noqa: ARG002 - a subclass wants it
        if media != self._media:
            self._media = media
            self._agent.emit(MediaChanged(session=self, media=media, early=not self._answered))

    def _redirect(self, direction: Direction) -> None:
        local = self._local_media
        if local is not None and self._answered and not self._ended:
            wanted = LocalMedia(
                host=local.host,
                port=local.port,
                codecs=local.codecs,
                telephone_event=local.telephone_event,
                telephone_event_payload_type=local.telephone_event_payload_type,
                ptime_ms=local.ptime_ms,
                direction=direction,
            )
            self._reoffer.want(wanted, [])

    def _request(
        self,
        method: str,
        headers: Headers,
        body: bytes = b"",
        on_response: OnResponse | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        """Send a request of the dialog, and again with credentials where it is challenged."""
        dialog = self._require_dialog()
        number = dialog.next_sequence()
        uri, all_headers = dialog.request_headers(method, number)
        all_headers += self._digest.headers(method, uri)
        all_headers += self._agent.user_agent_headers
        all_headers += headers
        transaction = self._agent.layer.request(
            method,
            uri,
            all_headers,
            body,
            destination=self._next_hop(dialog),
            local=dialog.local_address,
            on_response=partial(self._request_answered, method, headers, body, on_response, on_failure),
            on_failure=on_failure or _ignore_failure,
            now=self._agent.clock(),
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
            self._request(method, headers, body, on_response, on_failure)
            return
        if response.status < 300:
            self._digest.succeeded()
        if on_response is not None:
            on_response(response, now)

    def _info_answered(self, response: Response, now: float) -> None:  # noqa: ARG002 - a callback's signature
        if response.status == 481 and not self._ended:
            self.dialog_gone("dialog unknown to the peer")

    def _hang_up(self, headers: Headers, by: EndedBy, reason: str) -> None:
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
        self._request("BYE", headers, b"", self._bye_answered, self._bye_failed)

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
        self._timer.stop()
        self._reoffer.stop()
        if self._reinvite is not None:
            # After a provisional answer no timer of its own would ever end it.
            self._reinvite.give_up(self._agent.clock(), self._agent.settings.timers.transaction)
        self._agent.sessions.pop(self._id, None)
        self._agent.invites.discard(self._merge_key)
        self._agent.emit(
            SessionEnded(
                session=self,
                by=by,
                answered=self._answered,
                status=status,
                reason=reason,
                cause=cause_of(message),
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
        if dialog is not None and self._agent.dialogs.get(dialog.key) is self:
            del self._agent.dialogs[dialog.key]

    def _respond(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str = "",
        *,
        headers: Headers | None = None,
        body: bytes = b"",
        now: float,
    ) -> bytes:
        everything = [*self._agent.server_headers, *headers] if headers else self._agent.server_headers
        return transaction.respond(status, reason, everything, body, now=now)

    def _refreshed(self, response: Response, now: float) -> None:
        """Our INVITE or UPDATE was answered with 2xx: its Contact, Allow and Session-Expires count."""
        self._note_peer(response)
        self._timer.answered(response, now=now)
        try:
            self._require_dialog().retarget(response)
        except MalformedMessage:
            self._agent.counters.malformed += 1

    def _refresh(self, now: float) -> None:
        """Half of the session's interval is over and we are the refresher (RFC 4028 clause 7.4)."""
        if self._ended:
            return
        self._timer.refresh_again(now)
        if "UPDATE" in self._peer_allows:
            headers = [self._contact(), SUPPORTED, *self._timer_headers()]
            self._request("UPDATE", headers, b"", self._update_answered, _ignore_failure)
        else:
            self._reoffer.refresh()

    def _update_answered(self, response: Response, now: float) -> None:
        if 200 <= response.status < 300:
            self._refreshed(response, now)
        elif response.status in {408, 481}:
            self.dialog_gone("dialog unknown to the peer")
        elif response.status in {405, 501}:
            # It said otherwise in Allow: from now on by re-INVITE.
            self._peer_allows -= {"UPDATE"}
        elif response.status == 422:
            self._timer.interval = max(self._timer.interval, minimum_session_expires(response))

    def _expire(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        self._hang_up([("Reason", 'SIP;cause=408;text="Session timer"')], EndedBy.SYSTEM, "session timer")

    def _timer_headers(self) -> Headers:
        interval = self._timer.interval or self._agent.settings.session_expires_seconds
        if not interval:
            return []
        refresher = ""
        if self._timer.interval:
            # The roles are those of this request: whoever refreshes now goes on to.
            refresher = ";refresher=uac" if self._timer.refresher else ";refresher=uas"
        return [
            ("Session-Expires", f"{interval}{refresher}"),
            ("Min-SE", str(self._agent.settings.minimum_session_expires_seconds)),
        ]

    def _note_peer(self, message: SipMessage) -> None:
        allowed = message.get_all("allow")
        if allowed:
            self._peer_allows = frozenset(method.strip() for field in allowed for method in field.split(","))

    def _next_hop(self, dialog: Dialog) -> Address:
        return dialog.next_hop(dialog.flow in self._agent.connections)

    def _contact(self) -> tuple[str, str]:
        return self._agent.contact(self._require_dialog().local_address)

    def _require_dialog(self) -> Dialog:
        if self._dialog is None:
            raise LocalError("no dialog yet")
        return self._dialog

    def _require_local_media(self) -> LocalMedia:
        if self._local_media is None:
            raise LocalError("no media yet")
        return self._local_media


def cause_of(message: SipMessage | None) -> int:
    """The Q.850 cause of a Reason header (RFC 3326); 0 for none."""
    if message is None:
        return 0
    for field in message.get_all("reason"):
        found = _CAUSE.search(field)
        if found is not None:
            return int(found[1])
    return 0


def _ignore_failure(broken: bool, now: float) -> None:
    """Nobody waits for it."""
