"""The user agent on real sockets: the asyncio shell around `UserAgent`."""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Final

from sipio.sip.address import Address
from sipio.sip.counters import SipSnapshot
from sipio.sip.dns_locator import DnsLocator
from sipio.sip.events import SipEvent
from sipio.sip.listeners import MediaAddress
from sipio.sip.media_description import LocalMedia
from sipio.sip.outgoing import MediaFor, OutgoingSession
from sipio.sip.own_addresses import UNSPECIFIED, OwnAddresses, own_address
from sipio.sip.registrar import Binding
from sipio.sip.serialize import Headers
from sipio.sip.server_lookup import ServerLookup
from sipio.sip.settings import Credentials, RegistrationSettings, UserAgentSettings
from sipio.sip.transport import SipListener, SipTransports
from sipio.sip.user_agent import UserAgent

__all__ = ["SipEndpoint", "SipListener"]


class SipEndpoint:
    """Listens, calls, registers. Everything happens on the event loop that `start` was called on."""

    def __init__(
        self,
        listeners: list[SipListener],
        settings: UserAgentSettings,
        on_event: Callable[[SipEvent], None],
        *,
        client_tls: ssl.SSLContext | None = None,
        locator: DnsLocator | None = None,
        takes_calls: Callable[[], bool] = lambda: True,
    ) -> None:
        """``on_event`` is called for every event and may call any command; what it raises goes to the loop's exception
        handler. ``client_tls`` is for connections that we make; without it there are none over TLS. ``locator`` stands
        for one that asks the machine's own name servers. ``takes_calls`` is that of `UserAgent`."""
        self._listeners: Final = listeners
        self._settings: Final = settings
        self._on_event: Final = on_event
        self._takes_calls: Final = takes_calls
        ipv6 = {":" in listener.host for listener in listeners}
        self._locator: Final = locator or DnsLocator(ipv4=False in ipv6, ipv6=True in ipv6)
        self._transports: Final = SipTransports(self, client_tls, self._locator)
        self._locating: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._agent: UserAgent | None = None
        self._addresses: list[Address] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._draining = False
        self._idle: asyncio.Event | None = None

    async def start(self) -> None:
        """Bind every listener.

        Raises:
            CannotListen: one cannot be had; then none is left open.
            LocalError: a listener of an unknown transport, or ``tls`` without a context.
        """
        loop = asyncio.get_running_loop()
        agent = UserAgent(
            self._settings,
            clock=loop.time,
            wake=self._wake,
            takes_calls=self._takes_calls,
            source_towards=OwnAddresses(loop.time).towards,
        )
        self._loop = loop
        self._agent = agent
        try:
            for listener in self._listeners:
                for bound in await self._transports.listen(listener):
                    self._addresses.append(bound)
                    agent.listen(
                        bound.local,
                        bound._replace(
                            host=listener.advertised_host or own_address(bound.host),
                            port=listener.advertised_port or bound.port,
                        ),
                        bound=bound.host,
                        wildcard=not listener.advertised_host and bound.host in UNSPECIFIED,
                    )
        except BaseException:
            await self._transports.close()
            raise

    async def close(self, grace: float = 5.0) -> None:
        """Refuse new calls with 503, unregister, end every session (refusal, CANCEL or BYE), wait at most ``grace``
        seconds for the peers' answers, close every socket."""
        agent = self._agent
        if agent is None:
            return
        self._idle = asyncio.Event()
        agent.shut_down()
        self._drain()
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            # The peers have gone; their sessions have ended here all the same.
            pass
        if self._alarm is not None:
            self._alarm.cancel()
        for task in list(self._locating):
            task.cancel()
        await asyncio.gather(*self._locating, return_exceptions=True)
        await self._transports.close()

    def drain(self) -> None:
        """Refuse new calls with 503 from now on; those that are up go on."""
        self._running().drain()

    @property
    def addresses(self) -> list[Address]:
        """What is listened on, ports as bound."""
        return self._addresses

    @property
    def sessions(self) -> int:
        """Sessions that have not ended."""
        return self._running().sessions

    def snapshot(self) -> SipSnapshot:
        """The counters as they are now."""
        return self._running().snapshot(connections=self._transports.connection_count)

    def invite(
        self,
        target: str,
        *,
        from_: str = "",
        from_user: str = "",
        media: LocalMedia | MediaFor,
        to: str = "",
        headers: Headers | None = None,
        credentials: Credentials | None = None,
        proxy: Address | None = None,
        max_forwards: int = 70,
    ) -> OutgoingSession:
        """Call ``target``; see `UserAgent.invite` for the parameters and what is raised."""
        return self._running().invite(
            target,
            from_=from_,
            from_user=from_user,
            media=media,
            to=to,
            headers=headers,
            credentials=credentials,
            proxy=proxy,
            max_forwards=max_forwards,
        )

    def use_accounts(self, users: Iterable[Credentials], trusted_hosts: frozenset[str]) -> None:
        """Know these users and trust these hosts from now on; see `UserAgent.use_accounts`."""
        self._running().use_accounts(users, trusted_hosts)

    def media_address(self, local: Address, remote_host: str = "") -> MediaAddress:
        """Where to have the audio of a leg whose signalling is at ``local``; see `Listeners.for_media`."""
        return self._running().media_address(local, remote_host)

    def contacts(self, user: str) -> list[Binding]:
        """Where a registered user is now, the newest first: call ``binding.contact`` with ``proxy=binding.path``."""
        return self._running().contacts(user)

    def register(self, registration: RegistrationSettings) -> None:
        """Keep us registered from now on; `RegistrationChanged` tells of it."""
        self._running().register(registration)

    def use_registrations(self, registrations: Iterable[RegistrationSettings]) -> None:
        """Keep us registered by these and no others; see `UserAgent.use_registrations`."""
        self._running().use_registrations(registrations)

    def unregister(self, name: str) -> None:
        """End a registration of ours."""
        self._running().unregister(name)

    # ---- a TransportUser: what the sockets call ----

    def received(self, data: bytes, source: Address) -> None:
        """A datagram, or a message of a connection, has come from there."""
        self._running().receive(data, source)
        self._drain()

    def connected(self, address: Address) -> None:
        """A connection is up."""
        self._running().connection_made(address)

    def disconnected(self, address: Address) -> None:
        """A connection is gone."""
        self._running().connection_lost(address)
        self._drain()

    def failed(self, address: Address) -> None:
        """Nothing reaches this address: messages to it are lost."""
        self._running().transport_failed(address)
        self._drain()

    # ---- the core and its clock ----

    def _running(self) -> UserAgent:
        if self._agent is None:
            raise RuntimeError("SipEndpoint.start() has not been called")
        return self._agent

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        """Take out everything that the core has for us, and what its events bring about, until there is nothing."""
        if self._draining:
            return
        agent = self._running()
        self._draining = True
        while True:
            outgoing = agent.take_outgoing()
            for destination, data in outgoing:
                self._transports.send(destination, data)
            lookups = agent.take_lookups()
            for lookup in lookups:
                self._locate(agent, lookup)
            event = agent.next_event()
            if event is not None:
                self._tell(event)
            elif not outgoing and not lookups:
                break
        self._draining = False
        agent.rest()
        self._arm(agent)
        if self._idle is not None and not agent.busy:
            self._idle.set()

    def _locate(self, agent: UserAgent, lookup: ServerLookup) -> None:
        known = self._locator.known(lookup)
        if known is not None:
            agent.located(lookup, known)
            return
        task = asyncio.get_running_loop().create_task(self._ask(agent, lookup))
        self._locating.add(task)
        task.add_done_callback(self._locating.discard)

    async def _ask(self, agent: UserAgent, lookup: ServerLookup) -> None:
        agent.located(lookup, await self._locator.locate(lookup))
        self._drain()

    def _tell(self, event: SipEvent) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - reported here, whatever it is
            # In a TCP connection's callback it would close the connection of a peer that did nothing wrong.
            context = {"message": f"a driver failed on {type(event).__name__}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _arm(self, agent: UserAgent) -> None:
        """See to it that the next deadline is met. An alarm that is early is left alone."""
        deadline = agent.next_deadline()
        loop = self._loop
        if deadline is None or loop is None:
            return
        if self._alarm is not None:
            if self._alarm_at <= deadline:
                return
            self._alarm.cancel()
        # uvloop counts in milliseconds: an alarm a fraction early would find nothing due and be set again at once.
        # Its handle does not always know its time.
        self._alarm_at = deadline
        self._alarm = loop.call_at(max(deadline, loop.time()) + 0.001, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._running().handle_timers()
        self._drain()
