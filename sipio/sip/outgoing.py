"""Calls from us: the INVITE's client side (RFC 3261 clauses 9.1, 13.2, RFC 3262), with its forks."""

from collections.abc import Callable
from functools import partial
from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.address import Address
from sipio.sip.bodies import answered_description
from sipio.sip.dialog import Dialog, Party, outgoing_dialog
from sipio.sip.events import ChallengeUnmet, EndedBy, SessionAnswered, SessionProgressed
from sipio.sip.forks import Fork, Forks
from sipio.sip.further_answers import FurtherAnswers
from sipio.sip.invite_target import InviteTarget
from sipio.sip.media_description import LocalMedia, NegotiatedMedia
from sipio.sip.message import Request, Response
from sipio.sip.offer_answer import NoCommonMedia
from sipio.sip.redirection import contacts_by_preference
from sipio.sip.reoffer import CALLER_GLARE_SECONDS
from sipio.sip.serialize import Headers, check_headers
from sipio.sip.servers import Servers
from sipio.sip.session import NO_COMMON_MEDIA, Session
from sipio.sip.session_table import GIVEN_UP, OUTGOING, SessionInput, SessionState
from sipio.sip.session_timer import minimum_session_expires, requires
from sipio.sip.settings import Credentials
from sipio.sip.tag import tag_of
from sipio.sip.timers import Timer
from sipio.sip.transaction import ClientTransaction, OutgoingRequest, ServerTransaction
from sipio.sip.user_agent_core import ALLOW, SDP_TYPE, SUPPORTED, UserAgentCore

NOT_ACCEPTABLE: Final = 488
MediaFor = Callable[[Address], LocalMedia | None]
"""Gives our side of the audio where our own end of the signalling is this address; None where there can be none."""


class OutgoingSession(Session):
    """A call from us. `SessionProgressed` (any number), then `SessionAnswered` or `SessionEnded`."""

    __slots__ = (
        "_cancel_headers",
        "_forks",
        "_further_answers",
        "_headers",
        "_interval",
        "_local",
        "_media_for",
        "_minimum_interval",
        "_offer",
        "_sequence",
        "_servers",
        "_silence",
        "_target",
        "_transaction",
    )

    def __init__(
        self,
        core: UserAgentCore,
        target: InviteTarget,
        media: LocalMedia | MediaFor,
        headers: Headers,
        credentials: Credentials | None,
    ) -> None:
        """Send the INVITE, or first find out where to.

        Raises:
            LocalError: nothing is listened on for that transport.
        """
        servers = Servers(core, target.servers)
        super().__init__(
            core,
            core.randomness.call_id(),
            credentials,
            table=OUTGOING,
            state=SessionState.LOCATING,
            glare_seconds=CALLER_GLARE_SECONDS,
        )
        self._target: Final = target
        self._headers: Final = headers
        self._media_for: Final[MediaFor] = (lambda _local: media) if isinstance(media, LocalMedia) else media
        self._servers: Final = servers
        self._silence: Timer | None = None
        """Runs while the server being tried has said nothing and there is another."""
        tag = core.randomness.tag()
        self._local = Party(f"{target.from_value(servers.local)};tag={tag}", tag)
        self._sequence = core.randomness.sequence()
        self._interval = core.settings.session_expires_seconds
        self._minimum_interval = 0
        self._offer = b""
        """The SDP of the INVITE, once it is known where that goes."""
        self._forks: Final = Forks(self, core, self._media.negotiation, self._new_dialog)
        self._cancel_headers: Headers = []
        """Those of the CANCEL, or of the BYE where the answer crosses it."""
        self._further_answers: Final = FurtherAnswers(core, self._digest)
        self._transaction: ClientTransaction | None = None
        """None until a server is known."""
        servers.locate(self._try_server)

    def cancel(self, headers: Headers | None = None) -> None:
        """Give it up before it is answered. Where the answer crosses the CANCEL it is acknowledged and hung up; in
        every case `SessionEnded` by us follows and no `SessionAnswered`."""
        checked = list(check_headers(headers))
        if self._state is SessionState.LOCATING:
            self._finish(SessionInput.CANCEL, EndedBy.US, status=487, reason="CANCEL")
        elif self._move(SessionInput.CANCEL):
            self._cancel_headers = checked
            if self._state is SessionState.CANCELLED:
                self._send_cancel(self._core.clock())

    def end(self, code: int = 480, reason: str = "", headers: Headers | None = None) -> None:  # noqa: ARG002
        """`cancel` it before its answer, else `bye`; ``code`` and ``reason`` are for calls to us alone."""
        if self._answered:
            self.bye(headers)
        else:
            self.cancel(headers)

    def receive_in_dialog(self, transaction: ServerTransaction, request: Request, source: Address, now: float) -> None:
        """Before the answer the request says which of the early dialogs it is about."""
        if not self._answered and not self.ended:
            fork = self._forks.by_tag(tag_of(request.get("from") or ""))
            if fork is not None:
                self._select(fork)
            if request.method in {"BYE", "INVITE"}:
                # Clause 15: who is called may not, in an early dialog. The fork goes away with its own final answer.
                self._core.respond(transaction, 481, now=now)
                return
        super().receive_in_dialog(transaction, request, source, now)

    # ---- the INVITE ----

    def _try_server(self) -> None:
        """Send the INVITE to the next server."""
        if not self._may(SessionInput.INVITE):
            return
        if not self._servers.advance():
            self._finish(SessionInput.FAILURE, EndedBy.SYSTEM, status=503, reason="no server found")
            return
        if not self._describe():
            self._finish(SessionInput.FAILURE, EndedBy.SYSTEM, status=503, reason="no media")
            return
        self._transaction = self._invite()
        if self._servers.remaining:
            when = self._core.clock() + self._core.settings.failover_seconds
            self._silence = self._core.timers.start(when, self._server_silent)

    def _describe(self) -> bool:
        """Have From and our SDP say what the server about to be tried is to know us by; False without media there."""
        local = self._servers.local
        self._local = Party(f"{self._target.from_value(local)};tag={self._local.tag}", self._local.tag)
        media = self._media_for(local)
        if media is None:
            return False
        if media != self._media.local:
            self._media.local = media
            self._offer = self._media.negotiation.offer(media)
        return True

    def _fail_over(self, now: float) -> bool:
        """The server being tried failed: go to the next one. False where there is none."""
        self._servers.failed(now)
        if self._given_up or not self._servers.remaining:
            return False
        self._core.timers.cancel(self._silence)
        self._drop_forks()
        self._try_server()
        return True

    def _server_silent(self, now: float) -> None:
        transaction = self._transaction
        if transaction is not None and transaction.silent and self._fail_over(now):
            self._core.layer.abandon(transaction, partial(self._late_answer, transaction))

    def _late_answer(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """What a server that was given up says: somebody else is being called, and this call is not for it any more."""
        if response.status < 200:
            self._core.layer.cancel(transaction, [], now)
            transaction.abandon(partial(self._late_final_answer, transaction))
        else:
            self._late_final_answer(transaction, response, now)

    def _late_final_answer(self, transaction: ClientTransaction, response: Response, now: float) -> None:  # noqa: ARG002
        if 200 <= response.status < 300:
            self._further_answers.receive(response, partial(self._new_dialog, source=transaction.destination))

    def _invite(self) -> ClientTransaction:
        self._move(SessionInput.INVITE)
        target = self._target
        uri = target.uri
        headers = [
            ("Max-Forwards", str(target.max_forwards)),
            ("From", self._local.value),
            ("To", target.to),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._sequence} INVITE"),
            self._core.contact(self._servers.local),
            ALLOW,
            SUPPORTED,
            *self._core.user_agent_headers,
        ]
        if self._interval:
            minimum = self._minimum_interval or self._core.settings.minimum_session_expires_seconds
            headers += [("Session-Expires", str(max(self._interval, minimum))), ("Min-SE", str(minimum))]
        headers += self._digest.headers("INVITE", uri)
        headers += self._headers
        headers.append(SDP_TYPE)
        return self._core.layer.request(
            OutgoingRequest("INVITE", uri, headers, self._offer),
            destination=self._servers.server,
            local=self._servers.local,
            on_response=self._invite_answered,
            on_failure=self._invite_failed,
            now=self._core.clock(),
        )

    def _invite_answered(self, response: Response, now: float) -> None:
        self._core.timers.cancel(self._silence)
        status = response.status
        if status >= 300:
            self._receive_refusal(response, now)
        elif status >= 200:
            self._receive_success(response, now)
        elif self._state is SessionState.CANCELLING:
            # The first provisional answer to an INVITE that was given up before (clause 9.1).
            self._move(SessionInput.PROVISIONAL)
            self._send_cancel(now)
        elif self._move(SessionInput.PROVISIONAL) and status > 100 and not self._given_up:
            self._receive_provisional(response)

    @property
    def _given_up(self) -> bool:
        return self._state in GIVEN_UP

    def _send_cancel(self, now: float) -> None:
        if self._transaction is not None:
            self._core.layer.cancel(self._transaction, self._cancel_headers, now)

    def _receive_provisional(self, response: Response) -> None:
        fork = self._forks.of(response)
        if fork is not None:
            reliable = "100rel" in requires(response)
            if reliable and not self._confirm_provisional(fork, response):
                return
            self._select(fork)
            if response.body and fork.negotiation.offer_pending:
                self._note_early_media(fork, response, reliable)
        self._refresh.note_peer(response)
        self._core.emit(
            SessionProgressed(session=self, status=response.status, reason=response.reason, response=response)
        )

    def _confirm_provisional(self, fork: Fork, response: Response) -> bool:
        """PRACK it; False for one that was seen before or came out of order (RFC 3262 clause 4)."""
        text = response.get("rseq") or ""
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            return False
        rseq = int(text)
        if fork.rseq and rseq != fork.rseq + 1:
            return False
        fork.rseq = rseq
        self._select(fork)
        self._requests.send("PRACK", [("RAck", f"{rseq} {response.get('cseq')}")])
        return True

    def _note_early_media(self, fork: Fork, response: Response, reliable: bool) -> None:
        try:
            described = answered_description(response)
            if described is None:
                return
            agreed = fork.negotiation.accept_answer(described)
        except (MalformedMessage, NoCommonMedia):
            # Nothing to hear yet; whether the answer is of use shows in the 200.
            self._core.counters.unreadable += 1
            return
        fork.answered_reliably = reliable
        self._media.agree(agreed)

    def _receive_success(self, response: Response, now: float) -> None:
        if not self._may(SessionInput.SUCCESS):
            self._further_answers.receive(response, self._new_dialog)
            return
        fork = self._forks.of(response)
        if fork is None:
            # Nothing can be sent to whoever answered, not even a BYE.
            reason = "answer without a To or Record-Route that can be read"
            self._finish(SessionInput.FAILURE, EndedBy.SYSTEM, status=502, reason=reason, message=response)
            return
        self._select(fork)
        self._forks.drop(but=fork)
        try:
            fork.dialog.retarget(response)
        except MalformedMessage:
            self._core.counters.unreadable += 1
        self._further_answers.acknowledged(fork.dialog.remote.tag, self._requests.acknowledge(response.sequence()[0]))
        self._digest.succeeded()
        if self._given_up:
            self._finish(SessionInput.SUCCESS, EndedBy.US, status=487, reason="CANCEL")
            self._send_bye(self._cancel_headers)
            return
        agreed = self._agreed_with(fork, response)
        if agreed is None:
            self._core.counters.unreadable += 1
            reason = "no usable SDP in the answer"
            self._finish(SessionInput.UNUSABLE, EndedBy.SYSTEM, status=NOT_ACCEPTABLE, reason=reason, cause=88)
            self._send_bye([NO_COMMON_MEDIA])
            return
        # Answered first: what is agreed now is no early media.
        self._move(SessionInput.SUCCESS)
        self._media.agree(agreed)
        self._refresh.answered(response, now)
        self._core.emit(SessionAnswered(session=self, response=response))

    def _agreed_with(self, fork: Fork, response: Response) -> NegotiatedMedia | None:
        """What the answer and the SDP before it come to; None where that is nothing that can be heard."""
        try:
            described = answered_description(response)
            if described is None or fork.answered_reliably:
                return fork.negotiation.agreed
            # After unreliable early media the 200 repeats its answer, or means another one.
            self._media.negotiation = self._forks.first_offer()
            return self._media.negotiation.accept_answer(described)
        except (MalformedMessage, NoCommonMedia):
            return None

    def _receive_refusal(self, response: Response, now: float) -> None:
        status = response.status
        if not self._may(SessionInput.FAILURE):
            return
        given_up = self._given_up
        if not given_up:
            if status in {401, 407}:
                if self._digest.challenged(response):
                    self._try_again()
                    return
                self._core.emit(ChallengeUnmet(uri=self._target.uri, status=status, reason=self._digest.unmet))
            minimum = minimum_session_expires(response)
            if status == 422 and minimum > self._minimum_interval and self._interval:
                # RFC 4028 clause 7.3.
                self._minimum_interval = minimum
                self._try_again()
                return
        if status == 503 and self._fail_over(now):
            return
        contacts = contacts_by_preference(response) if status < 400 else []
        self._finish(
            SessionInput.FAILURE,
            EndedBy.US if given_up else EndedBy.PEER,
            status=status,
            reason=response.reason,
            message=response,
            contacts=contacts,
        )

    def _try_again(self) -> None:
        self._drop_forks()
        self._sequence += 1
        self._transaction = self._invite()

    def _invite_failed(self, broken: bool, now: float) -> None:
        if self._fail_over(now):
            return
        by, status, reason = EndedBy.SYSTEM, 408, "no answer to INVITE"
        if self._given_up:
            by, status, reason = EndedBy.US, 487, "CANCEL"
        elif broken:
            status, reason = 503, "transport failed"
        self._finish(SessionInput.FAILURE, by, status=status, reason=reason)

    def _new_dialog(self, response: Response, source: Address | None = None) -> Dialog:
        return outgoing_dialog(
            response,
            called=self._target.uri,
            local=self._local,
            local_sequence=self._sequence,
            local_address=self._servers.local,
            source=source or self._servers.server,
        )

    def _select(self, fork: Fork) -> None:
        self._requests.dialog = fork.dialog
        self._media.negotiation = fork.negotiation

    def _drop_forks(self) -> None:
        self._forks.drop()
        self._requests.dialog = None

    def _forget(self) -> None:
        self._core.timers.cancel(self._silence)
        if self._forks:
            self._drop_forks()
        super()._forget()

    def _let_go(self) -> None:
        self._transaction = None
        del self._forks
        super()._let_go()
