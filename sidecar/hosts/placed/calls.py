"""All calls that scripts have placed, and what else of a tenant's calls is up."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

import msgspec
from msgspec import structs

from sidecar.configuration.host_sections import OriginateSection
from sidecar.hosts.call import hangup
from sidecar.hosts.customer_folders import ActionError
from sidecar.hosts.errors import HostError
from sidecar.hosts.placed.call import PlacedCall, UpCall
from sidecar.hosts.placed.ended import EndedPlacedCall
from sidecar.hosts.placed.placing import CallRequest, FollowedCall
from sidecar.hosts.placed.servers import CARRIED_BY, CallServers, DriverName, destination_of
from sipio.call_control import Hangup, HangupBy, Origination, Originator
from sipio.causes import cause_of

if TYPE_CHECKING:
    from sidecar.hosts.rates import Rate

SERVERS: Final = 20
"""That one script may name at once."""
_CLI: Final = re.compile(r"[A-Za-z0-9_.+*#\-]{0,64}")


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Where one phone of a user is."""

    user: str
    contact: str
    expires: float
    """Seconds from now."""


class Registrations(Protocol):
    """Who is registered: the embedded SIP agent knows."""

    def owner(self, user: str) -> str:
        """The tenant whose phone it is; empty for nobody's in particular."""
        ...

    def registrations(self, user: str | None) -> list[Registration]:
        """Of one user, or of all."""
        ...


class PlacedCalls:
    """The calls of this process. Lives on one event loop."""

    def __init__(self, section: OriginateSection) -> None:
        """Raises ConfigurationError for a file of servers that cannot be used."""
        self._section = section
        self._servers = CallServers(section.servers_file)
        self._rate: Rate | None = None
        self._originators: dict[DriverName, Originator] = {}
        self._registrations: Registrations | None = None
        self._driven: Callable[[str], Iterable[UpCall]] = lambda _tenant: ()
        self._calls: dict[str, PlacedCall] = {}
        self._counts: Counter[str] = Counter()
        self._refusing = False
        self._told: Callable[[EndedPlacedCall], None] = lambda _ended: None

    def place_by(self, driver: DriverName, originator: Originator) -> None:
        """Have calls of this driver's servers placed so."""
        self._originators[driver] = originator

    def know_registrations(self, registrations: Registrations) -> None:
        """Ask these who is registered."""
        self._registrations = registrations

    def know_driven(self, driven: Callable[[str], Iterable[UpCall]]) -> None:
        """``driven`` gives the calls of a tenant that its scripts drive."""
        self._driven = driven

    def tell(self, ended: Callable[[EndedPlacedCall], None]) -> None:
        """Tell this of every call that is over."""
        self._told = ended

    @property
    def up(self) -> int:
        """Calls placed and not over."""
        return len(self._calls)

    def up_by_driver(self) -> dict[str, int]:
        """The same, by what carries them."""
        return dict(Counter(call.carried_by for call in self._calls.values()))

    async def originate(self, tenant: str, request: CallRequest) -> PlacedCall:
        """Begin to place a call. Raises HostError where that cannot be, or is too much."""
        server, cli = request.server, request.cli
        found = self._servers.of(tenant, server)
        self._servers.check_company(tenant, request.company)
        first = self._allowed(tenant, server, "the destination", request.destination)
        second = self._allowed(tenant, server, "the extension", request.extension)
        if _CLI.fullmatch(cli) is None:
            raise HostError(f"{cli[:60]!r} is no caller id", "TypeError")
        originator = self._originators.get(found.driver)
        if originator is None:
            raise HostError(f"the server {server} is not there: this process has no calls of {found.driver}")
        await self._require_rate(tenant)
        self._require_room(tenant)
        if self._refusing:
            raise HostError("no calls are placed any more: the daemon stops")
        origination = Origination(
            id=str(uuid4()),
            destination=first,
            cli=cli,
            timeout_seconds=self._section.ring_seconds,
            customer=tenant,
        )
        call = PlacedCall(
            origination,
            structs.replace(request, destination=first, extension=second),
            CARRIED_BY[found.driver],
            longest_seconds=self._section.longest_seconds,
            over=self._over,
        )
        self._calls[call.id] = call
        self._counts[tenant] += 1
        call.begin(originator)
        return call

    # ---- a CallPlacing ----

    async def place(self, tenant: str, request: CallRequest) -> FollowedCall:
        """Begin to place a call, to be followed."""
        call = await self.originate(tenant, request)
        return _Followed(call)

    async def calls(self, tenant: str) -> list[dict[str, Any]]:
        """The tenant's calls that are up."""
        return [call.described() for call in self._of(tenant)]

    async def hang_up(self, tenant: str, call_id: str, cause: Any) -> None:
        """End one of them. Raises HostError."""
        try:
            asked = hangup(cause)
        except ActionError as error:
            raise HostError(str(error).removeprefix("ctx."), "TypeError") from None
        self._find(tenant, call_id).hang_up(asked)

    def _find(self, tenant: str, number: str) -> UpCall:
        """A call of the tenant's that is up. Raises HostError: of another's nothing is told."""
        for call in self._of(tenant):
            if call.id == number:
                return call
        raise HostError(f"there is no call {number[:80]!r} that is up")

    async def transfer(self, tenant: str, call_id: str, destination: str) -> None:
        """Connect its first party to somebody else, who is called as by one more that is placed. Raises HostError."""
        self._find(tenant, call_id)
        await self._require_rate(tenant)
        call = self._find(tenant, call_id)
        call.transfer(lambda server: self._allowed(tenant, server, "the destination", destination))

    async def servers(self, tenant: str, names: Sequence[str]) -> list[str]:
        """The names, all of servers of the tenant's; of none all that it has. Raises HostError."""
        if len(names) > SERVERS:
            raise HostError(f"more than {SERVERS} servers", "RangeError")
        for name in names:
            self._servers.of(tenant, str(name))
        return [*names] or self._servers.names(tenant)

    async def registrations(self, tenant: str, names: Sequence[str], user: str | None) -> list[dict[str, Any]]:
        """Who is registered with these servers, of those whose phones the tenant may know. Raises HostError."""
        found = []
        for server in names:
            if self._servers.of(tenant, server).driver != "sip" or self._registrations is None:
                raise HostError(f"{server}: registrations are known of the SIP agent alone")
            known = self._registrations
            found += [
                {"user": one.user, "contact": one.contact, "expires": one.expires, "server": server}
                for one in known.registrations(user)
                if known.owner(one.user) in ("", tenant)
            ]
        return found

    # ---- the end ----

    def refuse_new(self) -> None:
        """Place no more."""
        self._refusing = True

    def end_all(self) -> None:
        """End every call that is up: the daemon stops."""
        self.refuse_new()
        for call in list(self._calls.values()):
            call.hang_up(Hangup(code=503, reason="Shutting Down", cause=cause_of(503)), HangupBy.SYSTEM)

    def _of(self, tenant: str) -> Iterable[UpCall]:
        yield from [call for call in self._calls.values() if call.tenant == tenant]
        yield from self._driven(tenant)

    def _allowed(self, tenant: str, server: str, what: str, text: str) -> str:
        found = self._servers.of(tenant, server)
        destination = destination_of(what, text, found)
        known = self._registrations if found.driver == "sip" else None
        kind, _, user = destination.partition("/")
        if kind == "user" and known is not None and known.owner(user) not in ("", tenant):
            raise HostError(f"{what}: there is no phone {user}")
        return destination

    async def _require_rate(self, tenant: str) -> None:
        if self._rate is None:
            # What it stands on takes its time to import, and whoever places no calls does without.
            rates = await asyncio.to_thread(import_module, "sidecar.hosts.rates")
            if self._rate is None:
                self._rate = rates.Rate("calls placed", self._section.per_minute)
        await self._rate.require(tenant)

    def _require_room(self, tenant: str) -> None:
        most = self._section.calls_per_tenant
        if self._counts[tenant] >= most:
            raise HostError(f"more than {most} calls placed at once", "RangeError")

    def _over(self, call: PlacedCall, ended: EndedPlacedCall) -> None:
        self._told(ended)
        del self._calls[call.id]
        self._counts[call.tenant] -= 1
        if not self._counts[call.tenant]:
            del self._counts[call.tenant]


class _Followed:
    """A `FollowedCall`."""

    def __init__(self, call: PlacedCall) -> None:
        self._call = call
        self._hearing = call.hearing()

    @property
    def id(self) -> str:
        """The call's."""
        return self._call.id

    async def next(self) -> list[list[Any]] | None:
        """What has come."""
        return await self._hearing.next()

    def leave(self) -> None:
        """Hear nothing more; give it up unless it is answered."""
        self._call.unless_answered(self._hearing)
