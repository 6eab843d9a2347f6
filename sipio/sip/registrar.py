"""A registrar for a handful of configured users (RFC 3261 clause 10.3)."""

from collections.abc import Set
from typing import Final

import msgspec

from sipio.errors import MalformedMessage, PeerError
from sipio.sip.address import Address
from sipio.sip.contact import parse_contact
from sipio.sip.events import BindingChanged
from sipio.sip.message import Request
from sipio.sip.serialize import Headers, printable
from sipio.sip.timers import Timer
from sipio.sip.transaction import ServerTransaction
from sipio.sip.uri import parse_uri, split_list
from sipio.sip.uri_comparison import equivalent
from sipio.sip.user_agent_core import UserAgentCore


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Where one phone of a user is."""

    contact: str
    """Its Contact URI as written."""
    path: Address
    """Where its REGISTER came from: behind NAT nothing else reaches it."""
    call_id: str
    sequence: int
    expires_at: float
    order: int
    """Counts up with every registration: the newest first."""


class _Refused(PeerError):
    """A REGISTER to be answered with a refusal."""

    def __init__(self, status: int, headers: Headers | None = None) -> None:
        super().__init__(str(status))
        self.status: Final = status
        self.headers: Final = headers or []


class Registrar:
    """The bindings of every user. Whoever calls `receive` has checked the password."""

    __slots__ = ("_bindings", "_core", "_order", "_timers")

    def __init__(self, core: UserAgentCore) -> None:
        self._core: Final = core
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._timers: dict[str, Timer] = {}
        self._order = 0

    def contacts(self, user: str) -> list[Binding]:
        """Where a user is, the newest first."""
        now = self._core.clock()
        found = [binding for binding in self._bindings.get(user, {}).values() if binding.expires_at > now]
        return sorted(found, key=lambda binding: -binding.order)

    def receive(self, transaction: ServerTransaction, request: Request, user: str, source: Address, now: float) -> None:
        """A REGISTER of a user that proved its password."""
        respond = self._core.respond
        to = request.address("to")
        if to is None or to.uri.decoded_user != user:
            # Clause 10.3 step 4: nobody registers somebody else.
            respond(transaction, 403, now=now)
            return
        try:
            self._change(request, user, source, now)
        except _Refused as refusal:
            respond(transaction, refusal.status, headers=refusal.headers, now=now)
            return
        except MalformedMessage as error:
            respond(transaction, 400, printable(str(error)), now=now)
            return
        contacts = [
            ("Contact", f"<{binding.contact}>;expires={max(1, round(binding.expires_at - now))}")
            for binding in self.contacts(user)
        ]
        respond(transaction, 200, headers=contacts, now=now)

    def keep(self, users: Set[str]) -> None:
        """Forget the bindings of everybody else."""
        for user in [user for user in self._bindings if user not in users]:
            gone = self._bindings.pop(user)
            self._start_timer(user)
            if gone:
                self._changed(user, None)

    def connection_lost(self, address: Address) -> None:
        """Phones that registered over a connection can only be called over it (RFC 5626 clause 5.3)."""
        for user, bindings in list(self._bindings.items()):
            gone = [contact for contact, binding in bindings.items() if binding.path == address]
            for contact in gone:
                del bindings[contact]
            if gone:
                self._changed(user, None)

    def _change(self, request: Request, user: str, source: Address, now: float) -> None:
        values = [value for field in request.get_all("contact") for value in split_list(field)]
        default = _seconds(request.get("expires"))
        bindings = dict(self._bindings.get(user, {}))
        if "*" in values:
            if len(values) != 1 or default != 0:
                # Clause 10.3 step 6.
                raise _Refused(400)
            for binding in bindings.values():
                self._check_order(binding, request)
            bindings.clear()
        for value in values if "*" not in values else ():
            self._bind(bindings, value, default, request, source, now)
        before = {contact: binding.path for contact, binding in self._bindings.get(user, {}).items()}
        self._bindings[user] = bindings
        if before != {contact: binding.path for contact, binding in bindings.items()}:
            self._changed(user, source)
        self._start_timer(user)

    def _bind(
        self,
        bindings: dict[str, Binding],
        value: str,
        default: int | None,
        request: Request,
        source: Address,
        now: float,
    ) -> None:
        settings = self._core.settings
        address = parse_contact(value)
        if address.uri.scheme not in {"sip", "sips"}:
            raise _Refused(416)
        contact = address.uri.raw
        expires = _seconds(address.parameters.get("expires"))
        if expires is None:
            expires = default if default is not None else settings.registration_maximum_seconds
        # Clause 10.3 step 7: a phone that spells its Contact otherwise has no second one by that.
        known = next((old for old in bindings if equivalent(parse_uri(old), address.uri)), contact)
        if known in bindings:
            self._check_order(bindings[known], request)
        if expires == 0:
            bindings.pop(known, None)
            return
        if expires < settings.registration_minimum_seconds:
            raise _Refused(423, [("Min-Expires", str(settings.registration_minimum_seconds))])
        self._order += 1
        bindings.pop(known, None)
        bindings[contact] = Binding(
            contact=contact,
            path=source,
            call_id=request.get("call-id") or "",
            sequence=request.sequence()[0],
            expires_at=now + min(expires, settings.registration_maximum_seconds),
            order=self._order,
        )
        while len(bindings) > settings.registration_contacts:
            # A phone that comes back under new addresses pushes its own old ones out.
            del bindings[min(bindings, key=lambda name: bindings[name].order)]

    def _check_order(self, binding: Binding, request: Request) -> None:
        if binding.call_id == request.get("call-id") and request.sequence()[0] <= binding.sequence:
            # Clause 10.3 step 7: an older REGISTER that came late.
            raise _Refused(500)

    def _start_timer(self, user: str) -> None:
        self._core.timers.cancel(self._timers.pop(user, None))
        bindings = self._bindings.get(user)
        if bindings:
            first = min(binding.expires_at for binding in bindings.values())
            self._timers[user] = self._core.timers.start(first, lambda now: self._expire(user, now))

    def _expire(self, user: str, now: float) -> None:
        bindings = self._bindings.get(user, {})
        gone = [contact for contact, binding in bindings.items() if binding.expires_at <= now]
        for contact in gone:
            del bindings[contact]
        if gone:
            self._changed(user, None)
        self._start_timer(user)

    def _changed(self, user: str, source: Address | None) -> None:
        contacts = list(self._bindings.get(user, {}))
        self._core.emit(BindingChanged(user=user, contacts=contacts, source=source))


def _seconds(text: str | None) -> int | None:
    """A delta-seconds; None where it is missing or malformed, which clause 20.19 treats alike."""
    if text is None or not (text.strip().isascii() and text.strip().isdigit()) or len(text) > 12:
        return None
    return int(text)
