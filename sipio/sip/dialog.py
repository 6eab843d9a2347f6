"""Dialogs (RFC 3261 clause 12): what two parties remember of each other between requests."""

import ipaddress
from typing import Final

import msgspec

from sipio.errors import MalformedMessage
from sipio.sip.address import Address, address_of
from sipio.sip.contact import contact_of, request_uri_of
from sipio.sip.message import Request, Response, SipMessage
from sipio.sip.serialize import Headers
from sipio.sip.uri import Uri, parse_name_address, parse_uri, split_list

ROUTES: Final = 32
"""The longest route set; each request repeats all of it."""

DialogKey = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


class Party(msgspec.Struct, frozen=True):
    """One end of a dialog."""

    value: str
    """The whole From or To value with its tag, as that end wrote it."""
    tag: str


class Dialog:
    """One dialog, early or confirmed. Addresses and routes are kept as the peer wrote them."""

    __slots__ = (
        "_route_addresses",
        "call_id",
        "flow",
        "local",
        "local_address",
        "local_sequence",
        "remote",
        "remote_sequence",
        "remote_target",
        "remote_uri",
        "route_set",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: Party,
        remote: Party,
        remote_target: str,
        route_set: list[str],
        local_sequence: int,
        remote_sequence: int | None,
        local_address: Address,
        flow: Address,
    ) -> None:
        """``flow`` is where the peer's message came from.

        Raises:
            MalformedMessage: a remote target or route that cannot be read, or more than ``ROUTES``.
        """
        if len(route_set) > ROUTES:
            raise MalformedMessage("route set too long")
        self.call_id: Final = call_id
        self.local: Final = local
        self.remote: Final = remote
        self.route_set: Final = route_set
        self._route_addresses: Final = [parse_name_address(route).uri for route in route_set]
        self.remote_uri: Uri = parse_uri(remote_target)
        self.remote_target = request_uri_of(self.remote_uri)
        self.local_sequence = local_sequence
        self.remote_sequence = remote_sequence
        self.local_address: Final = local_address
        self.flow = flow

    @property
    def key(self) -> DialogKey:
        return (self.call_id, self.local.tag, self.remote.tag)

    def next_sequence(self) -> int:
        """The CSeq number of our next request."""
        self.local_sequence += 1
        return self.local_sequence

    def accepts_sequence(self, number: int) -> bool:
        """Take note of a request's CSeq number; False where it is out of order (clause 12.2.2: 500)."""
        if self.remote_sequence is not None and number <= self.remote_sequence:
            return False
        self.remote_sequence = number
        return True

    def retarget(self, message: SipMessage, flow: Address | None = None) -> None:
        """A target refresh: the Contact of a re-INVITE, an UPDATE or their 2xx (clauses 12.2.1.2, 12.2.2).

        Raises:
            MalformedMessage: a Contact that cannot be read; the dialog is as before.
        """
        contact = contact_of(message)
        if contact is not None:
            self.remote_target = request_uri_of(contact.uri)
            self.remote_uri = contact.uri
        if flow is not None:
            self.flow = flow

    def request_headers(self, method: str, number: int) -> tuple[str, Headers]:
        """The Request-URI and the headers that every request of the dialog has, but Via (clause 12.2.1.1)."""
        uri = self.remote_target
        routes = self.route_set
        if routes and "lr" not in self._route_addresses[0].parameters:
            # A strict router: RFC 2543. Its URI is the Request-URI and the target goes last.
            uri = request_uri_of(self._route_addresses[0])
            routes = [*routes[1:], f"<{self.remote_target}>"]
        headers = [("Route", route) for route in routes]
        headers += [
            ("Max-Forwards", "70"),
            ("From", self.local.value),
            ("To", self.remote.value),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
        ]
        return uri, headers

    def next_hop(self, connected: bool) -> Address:
        """Where requests go: the first route or the target, or the peer's own connection while it is up.

        A target that is a private address in a message from elsewhere is a phone behind NAT that nothing else than
        the way it came can reach; RFC 3581 does it for responses, and every phone needs it for a BYE as well.
        """
        if self._route_addresses:
            return address_of(self._route_addresses[0], self.flow.transport)._replace(local=self.flow.local)
        if connected:
            return self.flow
        target = address_of(self.remote_uri, self.flow.transport)._replace(local=self.flow.local)
        if self.flow.transport == "udp" and target.host != self.flow.host and _private(target.host):
            return self.flow
        return target


def _private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_loopback


def remote_target(request: Request) -> str:
    """The Contact's URI.

    Raises:
        MalformedMessage: none, or one that cannot be called.
    """
    contact = contact_of(request)
    if contact is None:
        raise MalformedMessage("no Contact header")
    return contact.uri.raw


def answering_target(response: Response, called: str) -> str:
    """The URI of an answer's Contact. Where it has none that can be called, as with gateways from RFC 2543's time, the
    one that was called: there somebody answered, and without an ACK would go on doing so."""
    try:
        contact = contact_of(response)
    except MalformedMessage:
        return called
    return called if contact is None else contact.uri.raw


def record_routes(message: SipMessage) -> list[str]:
    """Every Record-Route value as written, in message order, but for one thing: where the angle brackets are missing,
    though clause 25.1 has no such form, they are put around all of it. The parameters of a route mean nothing but to
    its URI, and one that lost its ``lr`` would be a strict router's."""
    return [
        value if "<" in value else f"<{value}>"
        for field in message.get_all("record-route")
        for value in split_list(field)
    ]


def incoming_dialog(request: Request, *, local_tag: str, local_address: Address, source: Address) -> Dialog:
    """The dialog that our answer to an INVITE makes (clause 12.1.1).

    Raises:
        MalformedMessage: no Contact, or headers that cannot be read.
    """
    sender = request.address("from")
    return Dialog(
        call_id=request.get("call-id") or "",
        local=Party(f"{request.get('to')};tag={local_tag}", local_tag),
        remote=Party(request.get("from") or "", (sender.tag if sender else None) or ""),
        remote_target=remote_target(request),
        route_set=record_routes(request),
        local_sequence=0,
        remote_sequence=request.sequence()[0],
        local_address=local_address,
        flow=source,
    )


def outgoing_dialog(
    response: Response, *, called: str, local: Party, local_sequence: int, local_address: Address, source: Address
) -> Dialog:
    """The dialog that an answer to our INVITE makes (clause 12.1.2); ``called`` is the INVITE's Request-URI.

    Raises:
        MalformedMessage: a To or Record-Route that cannot be read.
    """
    to = response.address("to")
    return Dialog(
        call_id=response.get("call-id") or "",
        local=local,
        remote=Party(response.get("to") or "", (to.tag if to else None) or ""),
        remote_target=answering_target(response, called),
        route_set=list(reversed(record_routes(response))),
        local_sequence=local_sequence,
        remote_sequence=None,
        local_address=local_address,
        flow=source,
    )
