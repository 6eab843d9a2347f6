"""Transactions (RFC 3261 clause 17, RFC 6026): one request, its retransmissions and its answers."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from sipio.sip.address import Address
from sipio.sip.message import Request, Response
from sipio.sip.serialize import Headers, ResponseHead, build_request
from sipio.sip.settings import TimerValues
from sipio.sip.timers import Timer, Timers
from sipio.sip.transaction_table import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    UNANSWERED,
    Input,
    State,
    Table,
    input_of,
)

Send = Callable[[Address, bytes], None]


class OutgoingRequest(msgspec.Struct, frozen=True):
    """A request of ours before its Via says which way it goes."""

    method: str
    uri: str
    headers: Headers
    """All but Via and Content-Length."""
    body: bytes = b""


class Hop(msgspec.Struct, frozen=True):
    """Which way a request of ours goes, and by what its answers are known."""

    destination: Address
    local: Address
    """Our own end, as its Via says."""
    branch: str
    """A CANCEL has that of its INVITE (RFC 3261 clause 9.1)."""

    @property
    def via(self) -> str:
        """A Via of ours; rport always (RFC 3581)."""
        return f"SIP/2.0/{self.local.transport.upper()} {self.local.host_port};branch={self.branch};rport"


class TransactionContext:
    """What every transaction of one agent shares."""

    __slots__ = ("send", "timers", "values")

    def __init__(self, timers: Timers, values: TimerValues, send: Send) -> None:
        self.timers: Final = timers
        self.values: Final = values
        self.send: Final = send


class _Transaction:
    """A state, the table it moves by, and its two timers."""

    __slots__ = ("_context", "_interval", "_on_terminated", "_retransmission", "_table", "_timeout", "state")

    def __init__(
        self, context: TransactionContext, table: Table, state: State, on_terminated: Callable[[Any], None]
    ) -> None:
        self._context: Final = context
        self._table: Final = table
        self.state = state
        self._on_terminated: Final = on_terminated
        self._retransmission: Timer | None = None
        self._interval = 0.0
        self._timeout: Timer | None = None

    def _legal(self, what: Input) -> bool:
        """Move as the table says; False where it says nothing."""
        following = self._table.get(self.state, {}).get(what)
        if following is None:
            return False
        self.state = following
        return True

    def _start_timeout(self, now: float, seconds: float) -> None:
        timers = self._context.timers
        timers.cancel(self._timeout)
        self._timeout = timers.start(now + seconds, self._timed_out)

    def _linger(self, now: float, seconds: float) -> None:
        """Be there for so long to know what comes once more, and a moment longer (timers D, H to M)."""
        timers = self._context.timers
        timers.cancel(self._timeout)
        self._timeout = timers.start_about(now + seconds, self._timed_out)

    def _start_retransmission(self, now: float, interval: float) -> None:
        self._interval = interval
        self._retransmission = self._context.timers.start(now + interval, self._retransmit)

    def _stop_retransmission(self) -> None:
        self._context.timers.cancel(self._retransmission)
        self._retransmission = None

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._stop_retransmission()
        self._context.timers.cancel(self._timeout)
        self._timeout = None
        self._on_terminated(self)

    def _retransmit(self, now: float) -> None:
        raise NotImplementedError

    def _timed_out(self, now: float) -> None:
        raise NotImplementedError


class ClientTransaction(_Transaction):
    """One request of ours, sent until it is answered."""

    __slots__ = ("_ack", "_data", "_on_failure", "_on_response", "datagrams", "hop", "request")

    def __init__(
        self,
        context: TransactionContext,
        request: OutgoingRequest,
        hop: Hop,
        *,
        on_response: Callable[[Response, float], None],
        on_failure: Callable[[bool, float], None],
        on_terminated: Callable[["ClientTransaction"], None],
    ) -> None:
        """``on_failure(broken, now)`` is told of a timeout (False) or of a broken transport (True)."""
        invite = request.method == "INVITE"
        super().__init__(
            context,
            INVITE_CLIENT if invite else NON_INVITE_CLIENT,
            State.CALLING if invite else State.TRYING,
            on_terminated,
        )
        self.request: Final = request
        self.hop = hop
        self.datagrams: Hop | None = None
        """The way over UDP, where it is tried over TCP first."""
        self._data = build_request(request.method, request.uri, [("Via", hop.via), *request.headers], request.body)
        self._ack = b""
        self._on_response: Callable[[Response, float], None] | None = on_response
        self._on_failure: Callable[[bool, float], None] | None = on_failure

    @property
    def key(self) -> tuple[str, str]:
        """What its answers are found by (clause 17.1.3)."""
        return (self.hop.branch, self.request.method)

    @property
    def destination(self) -> Address:
        """The peer that it is sent to."""
        return self.hop.destination

    @property
    def size(self) -> int:
        """Bytes of the request."""
        return len(self._data)

    @property
    def silent(self) -> bool:
        """Whether nothing has come back yet."""
        return self.state in {State.CALLING, State.TRYING}

    def readdress(self, hop: Hop) -> None:
        """Another way for a request that nobody has answered; `start` it anew."""
        self._stop_retransmission()
        self.hop = hop
        start_line, _, rest = self._data.partition(b"\r\n")
        self._data = b"\r\n".join((start_line, f"Via: {hop.via}".encode(), rest.partition(b"\r\n")[2]))

    def start(self, now: float) -> None:
        """Send the request and begin timers A and B, or E and F."""
        values = self._context.values
        self._start_timeout(now, values.transaction)
        if not self.destination.reliable:
            self._start_retransmission(now, values.t1)
        self._context.send(self.destination, self._data)

    def receive(self, response: Response, now: float) -> None:
        """A response to the request has come."""
        what = input_of(response.status)
        before = self.state
        if not self._legal(what):
            return
        tell = self._on_response
        if self.request.method == "INVITE":
            first = self._receive_invite(response, before, what, now)
        else:
            first = self._receive_other(what, now)
        if first and tell is not None:
            tell(response, now)

    def give_up(self, now: float, seconds: float) -> None:
        """End it by itself unless a final response comes within so long: after a CANCEL (clause 9.1)."""
        if self.state in UNANSWERED:
            self._start_timeout(now, seconds)

    def abandon(self, on_response: Callable[[Response, float], None]) -> None:
        """Send it no more; a late answer goes to ``on_response`` until the transaction's own end."""
        self._stop_retransmission()
        self._on_response = on_response
        self._on_failure = None

    def broken(self, now: float) -> None:
        """The transport failed before a final response."""
        if self._legal(Input.BROKEN):
            self._fail(True, now)

    def ack_headers(self, to: str) -> Headers:
        """The headers of an ACK to a response that is no 2xx, whose To is ``to``, or of a CANCEL, where ``to`` is empty
        (clauses 17.1.1.3, 9.1)."""
        method = "CANCEL" if not to else "ACK"
        found: Headers = []
        for name, value in self.request.headers:
            if name in {"Route", "From", "Call-ID", "Max-Forwards"}:
                found.append((name, value))
            elif name == "To":
                found.append((name, to or value))
            elif name == "CSeq":
                found.append((name, f"{value.partition(' ')[0]} {method}"))
        return found

    def _receive_invite(self, response: Response, before: State, what: Input, now: float) -> bool:
        context = self._context
        if what is Input.PROVISIONAL:
            if before is State.CALLING:
                self._stop_retransmission()
                context.timers.cancel(self._timeout)
            return True
        self._stop_retransmission()
        if what is Input.SUCCESS:
            if before is not State.ACCEPTED:
                self._data = b""
                self._linger(now, context.values.transaction)
            return True
        if before is State.COMPLETED:
            context.send(self.destination, self._ack)
            return False
        headers = [("Via", self.hop.via), *self.ack_headers(response.get("to") or "")]
        self._ack = build_request("ACK", self.request.uri, headers)
        self._data = b""
        self._on_response = None
        context.send(self.destination, self._ack)
        if self.destination.reliable:
            self._terminate()
        else:
            self._linger(now, context.values.transaction)
        return True

    def _receive_other(self, what: Input, now: float) -> bool:
        if what is Input.PROVISIONAL:
            return True
        self._on_response = None
        self._data = b""
        self._stop_retransmission()
        if self.destination.reliable:
            self._terminate()
        else:
            self._linger(now, self._context.values.t4)
        return True

    def _retransmit(self, now: float) -> None:
        if not self._legal(Input.RETRANSMIT):
            return
        self._context.send(self.destination, self._data)
        interval = self._interval * 2
        if self.request.method != "INVITE":
            t2 = self._context.values.t2
            # Timer E is T2 at once in Proceeding (clause 17.1.2.2).
            interval = t2 if self.state is State.PROCEEDING else min(interval, t2)
        self._start_retransmission(now, interval)

    def _timed_out(self, now: float) -> None:
        unanswered = self.state in UNANSWERED
        if self._legal(Input.TIMEOUT):
            if unanswered:
                self._fail(False, now)
            else:
                self._terminate()

    def _fail(self, broken: bool, now: float) -> None:
        tell = self._on_failure
        self._on_failure = self._on_response = None
        self._terminate()
        if tell is not None:
            tell(broken, now)

    def _terminate(self) -> None:
        super()._terminate()
        # What it told holds it, and it holds them: no cycle is left for the collector.
        self._on_failure = self._on_response = None


class ServerTransaction(_Transaction):
    """A request of a peer's. Respond to it any number of times with a 1xx, once with a final answer."""

    __slots__ = ("_last", "_reply_to", "head", "key", "method", "to_tag")

    def __init__(
        self,
        context: TransactionContext,
        request: Request,
        *,
        key: object,
        via: str,
        reply_to: Address,
        to_tag: str,
        on_terminated: Callable[["ServerTransaction"], None],
    ) -> None:
        """``via`` is the top Via field as it goes back; ``to_tag`` the tag for requests outside of dialogs."""
        invite = request.method == "INVITE"
        super().__init__(
            context,
            INVITE_SERVER if invite else NON_INVITE_SERVER,
            State.PROCEEDING if invite else State.TRYING,
            on_terminated,
        )
        self.key: Final = key
        self.method: Final = request.method
        self.head: ResponseHead | None = ResponseHead(request, via)
        self.to_tag: Final = to_tag
        self._reply_to: Final = reply_to
        self._last = b""

    @property
    def destination(self) -> Address:
        """The peer that the answers go to."""
        return self._reply_to

    def respond(
        self,
        status: int,
        reason: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        now: float,
    ) -> bytes:
        """Send a response. Returns its bytes; empty where a final answer was already given and this one is not sent."""
        what = input_of(status)
        head = self.head
        if head is None or not self._legal(what):
            return b""
        # 100 is hop by hop and begins no dialog: it has no tag (clause 8.2.6.2 leaves it open).
        data = head.build(status, reason, "" if status == 100 else self.to_tag, headers, body)
        self._last = data
        self._context.send(self._reply_to, data)
        if what is not Input.PROVISIONAL:
            self._finish(what, now)
        return data

    def repeat(self, data: bytes) -> None:
        """Send a response once more, as it was: a 2xx until its ACK, or a reliable 1xx until its PRACK."""
        self._context.send(self._reply_to, data)

    def say_trying(self) -> None:
        """Answer 100 where nothing was answered yet."""
        head = self.head
        if head is not None and not self._last and self._legal(Input.PROVISIONAL):
            self._last = head.build(100, "", "")
            self._context.send(self._reply_to, self._last)

    def receive_again(self) -> None:
        """The same request has come once more: so goes the last answer, 100 of an INVITE that has none."""
        if not self._legal(Input.REQUEST):
            return
        if self._last:
            self._context.send(self._reply_to, self._last)
        elif self.method == "INVITE":
            self.say_trying()

    def receive_ack(self, now: float) -> None:
        """The ACK to a final answer that is no 2xx has come."""
        if not self._legal(Input.ACK) or self.state is not State.CONFIRMED:
            return
        self._stop_retransmission()
        if self._reply_to.reliable:
            self._terminate()
        else:
            self._linger(now, self._context.values.t4)

    def _finish(self, what: Input, now: float) -> None:
        values = self._context.values
        self.head = None
        if self.method != "INVITE":
            if self._reply_to.reliable:
                self._terminate()
            else:
                self._linger(now, values.transaction)
            return
        self._linger(now, values.transaction)
        if what is Input.FAILURE and not self._reply_to.reliable:
            self._start_retransmission(now, values.t1)
        elif what is Input.SUCCESS:
            self._last = b""

    def _retransmit(self, now: float) -> None:
        if self._legal(Input.RETRANSMIT):
            self._context.send(self._reply_to, self._last)
            self._start_retransmission(now, min(self._interval * 2, self._context.values.t2))

    def _timed_out(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        if self._legal(Input.TIMEOUT):
            self._terminate()
