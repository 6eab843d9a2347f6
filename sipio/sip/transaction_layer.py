"""Which transaction a message belongs to (RFC 3261 clauses 17.1.3, 17.2.3)."""

from collections.abc import Callable
from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.address import Address
from sipio.sip.large_requests import LargeRequests
from sipio.sip.message import Request, Response
from sipio.sip.randomness import BRANCH_COOKIE, Randomness
from sipio.sip.serialize import Headers, build_request, response_address, stamped_via
from sipio.sip.settings import TimerValues
from sipio.sip.timers import Timers
from sipio.sip.transaction import ClientTransaction, Hop, OutgoingRequest, Send, ServerTransaction, TransactionContext
from sipio.sip.transaction_table import UNANSWERED, State
from sipio.sip.via import parse_via

TRANSACTIONS: Final = 100_000
"""Transactions at once. A flood of requests costs about 2 KB each for up to 32 s: past this they are not answered at
all."""


class TransactionLayer:
    """Every transaction of one agent."""

    __slots__ = (
        "_clients",
        "_context",
        "_large",
        "_randomness",
        "_send",
        "_servers",
        "_unanswered",
        "dropped",
    )

    def __init__(
        self,
        *,
        timers: Timers,
        values: TimerValues,
        randomness: Randomness,
        send: Send,
        stream_local: Callable[[Address], Address | None] = lambda _peer: None,
    ) -> None:
        """``stream_local`` is that of `LargeRequests`."""
        self._context: Final = TransactionContext(timers, values, send)
        self._send: Final = send
        self._randomness: Final = randomness
        self._large: Final = LargeRequests(stream_local)
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[object, ServerTransaction] = {}
        # In the order in which they began, which is that in which they fail together.
        self._unanswered: dict[Address, dict[ClientTransaction, None]] = {}
        self.dropped = 0
        """Requests dropped because of `TRANSACTIONS`."""

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    @property
    def waiting(self) -> bool:
        """Whether a request of ours waits for its final answer."""
        return bool(self._unanswered)

    def receive_response(self, response: Response, now: float) -> None:
        """A response. One that matches nothing is dropped (RFC 6026 clause 7.2)."""
        try:
            via = parse_via(response.get("via") or "")
            method = response.sequence()[1]
        except MalformedMessage:
            return
        transaction = self._clients.get((via.branch, method))
        if transaction is None:
            return
        transaction.receive(response, now)
        if transaction.state not in UNANSWERED:
            self._answered(transaction)

    def receive_request(self, request: Request, source: Address) -> ServerTransaction | None:
        """A request that is no ACK. Returns its new transaction; None where it was absorbed as a retransmission.

        Raises:
            MalformedMessage: without a Via that can be read.
        """
        field = request.get("via") or ""
        key = transaction_key(request, field, request.method)
        known = self._servers.get(key)
        if known is not None:
            known.receive_again()
            return None
        if len(self._servers) >= TRANSACTIONS:
            self.dropped += 1
            return None
        transaction = ServerTransaction(
            self._context,
            request,
            key=key,
            via=stamped_via(field, source),
            reply_to=response_address(source, field),
            to_tag=self._randomness.tag(),
            on_terminated=self._server_terminated,
        )
        self._servers[key] = transaction
        return transaction

    def receive_ack(self, request: Request, now: float) -> bool:
        """An ACK. True where it was for a final answer that is no 2xx; else it belongs to a dialog.

        Raises:
            MalformedMessage: without a Via that can be read.
        """
        transaction = self._servers.get(transaction_key(request, request.get("via") or "", "INVITE"))
        if transaction is None or transaction.state is State.ACCEPTED:
            return False
        transaction.receive_ack(now)
        return True

    def invite_of(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE that a CANCEL means (clause 9.2)."""
        return self._servers.get(transaction_key(cancel, cancel.get("via") or "", "INVITE"))

    def request(
        self,
        request: OutgoingRequest,
        *,
        destination: Address,
        local: Address,
        on_response: Callable[[Response, float], None],
        on_failure: Callable[[bool, float], None],
        now: float,
    ) -> ClientTransaction:
        """Send a request of ours. ``local`` is what its Via says."""
        hop = Hop(destination, local, self._randomness.branch())
        transaction = self._client(request, hop, on_response, on_failure)
        if destination.transport == "udp":
            stream = self._large.stream(destination, transaction.size, now)
            if stream is not None:
                transaction.datagrams = hop
                transaction.readdress(Hop(*stream, hop.branch))
        self._begin(transaction, now)
        return transaction

    def cancel(self, invite: ClientTransaction, headers: Headers, now: float) -> None:
        """CANCEL an INVITE that has had a provisional answer; without a final one it ends by itself in 64*T1."""
        if invite.state is not State.PROCEEDING:
            return
        request = OutgoingRequest("CANCEL", invite.request.uri, [*invite.ack_headers(""), *headers])
        self._begin(self._client(request, invite.hop, _ignore_response, _ignore_failure), now)
        invite.give_up(now, self._context.values.transaction)

    def abandon(self, transaction: ClientTransaction, on_response: Callable[[Response, float], None]) -> None:
        """Send it no more and keep nobody waiting for it; ``on_response`` has what comes all the same."""
        transaction.abandon(on_response)
        self._answered(transaction)

    def ack(self, uri: str, headers: Headers, *, destination: Address, local: Address) -> bytes:
        """Send the ACK to a 2xx, which is no transaction. Returns its bytes, for the 2xx once more."""
        via = Hop(destination, local, self._randomness.branch()).via
        data = build_request("ACK", uri, [("Via", via), *headers])
        self._send(destination, data)
        return data

    def transport_failed(self, destination: Address, now: float) -> None:
        """Nothing reaches this address: what waits for an answer from there has failed."""
        for transaction in list(self._unanswered.get(destination, ())):
            datagrams = transaction.datagrams
            if datagrams is not None and transaction.silent:
                self._send_as_datagrams(transaction, datagrams, now)
            else:
                transaction.broken(now)

    def _client(
        self,
        request: OutgoingRequest,
        hop: Hop,
        on_response: Callable[[Response, float], None],
        on_failure: Callable[[bool, float], None],
    ) -> ClientTransaction:
        return ClientTransaction(
            self._context,
            request,
            hop,
            on_response=on_response,
            on_failure=on_failure,
            on_terminated=self._client_terminated,
        )

    def _begin(self, transaction: ClientTransaction, now: float) -> None:
        self._clients[transaction.key] = transaction
        self._unanswered.setdefault(transaction.destination, {})[transaction] = None
        transaction.start(now)

    def _send_as_datagrams(self, transaction: ClientTransaction, hop: Hop, now: float) -> None:
        """The connection that it was to go over did not come about: a new request but for its branch."""
        self._large.refused(transaction.destination, now)
        self._client_terminated(transaction)
        transaction.datagrams = None
        transaction.readdress(Hop(hop.destination, hop.local, self._randomness.branch()))
        self._begin(transaction, now)

    def _answered(self, transaction: ClientTransaction) -> None:
        waiting = self._unanswered.get(transaction.destination)
        if waiting is not None:
            waiting.pop(transaction, None)
            if not waiting:
                del self._unanswered[transaction.destination]

    def _client_terminated(self, transaction: ClientTransaction) -> None:
        self._clients.pop(transaction.key, None)
        self._answered(transaction)

    def _server_terminated(self, transaction: ServerTransaction) -> None:
        self._servers.pop(transaction.key, None)


def transaction_key(request: Request, via_field: str, method: str) -> tuple[object, ...]:
    """What the transaction of ``method`` is found by: INVITE for an ACK, and for what a CANCEL means.

    Raises:
        MalformedMessage: no Via that can be read.
    """
    via = parse_via(via_field)
    if via.branch.startswith(BRANCH_COOKIE) and len(via.branch) > len(BRANCH_COOKIE):
        return (via.branch, via.host.lower(), via.port, method)
    # RFC 2543 senders (clause 17.2.3): everything that identifies a request. The ACK's To has a tag that the INVITE's
    # had not, so that it stays out.
    sender = request.address("from")
    number = request.sequence()[0]
    return (request.uri, sender.tag if sender else None, request.get("call-id"), number, via_field, method)


def _ignore_response(response: Response, now: float) -> None:
    """The answer to a CANCEL says nothing: the INVITE's own does."""


def _ignore_failure(broken: bool, now: float) -> None:
    """A CANCEL that is not answered changes nothing: the INVITE has its own timer."""
