"""The SIP driver: calls that come in by SIP are offered to a handler, and their sessions' events find their way."""

import ssl
from collections.abc import Callable
from typing import Final

import msgspec

from sipio.address_gate import AllowAddress
from sipio.call_control import CallHandler, CallOffer, Hangup, Origination, OriginationObserver, PendingOrigination
from sipio.media.engine import MediaEngine
from sipio.media.errors import NoFreePort
from sipio.media.statistics import MediaSnapshot
from sipio.number import Number
from sipio.sip.address import Address
from sipio.sip.counters import SipSnapshot
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import AgentEvent, CallReceived, SessionEnded, SipEvent
from sipio.sip.incoming import IncomingSession
from sipio.sip.registrar import Binding
from sipio.sip.settings import Credentials, RegistrationSettings
from sipio.sip_driver.call import SipCall
from sipio.sip_driver.called_number import called_address, trunk_of
from sipio.sip_driver.originating import Originating
from sipio.sip_driver.settings import SipDriverSettings, Trunk

UNAVAILABLE: Final = 503


class SipDriver:
    """A driver of `sipio.call_control`. Made on the running event loop."""

    def __init__(
        self,
        listeners: list[SipListener],
        settings: SipDriverSettings,
        handler: CallHandler,
        *,
        registrations: tuple[RegistrationSettings, ...] = (),
        allow: AllowAddress | None = None,
        client_tls: ssl.SSLContext | None = None,
        agent_event: Callable[[AgentEvent], None] = lambda _event: None,
        takes_calls: Callable[[], bool] = lambda: True,
    ) -> None:
        """``agent_event`` is told of what is of no call: registrations, phones, passwords. ``takes_calls`` says whether
        ``handler`` would take a call now; peers that probe with OPTIONS are told."""
        self._settings = settings
        self._handler = handler
        self._registrations = registrations
        self._agent_event = agent_event
        self._media = MediaEngine(settings.media, allow=allow)
        self._endpoint = SipEndpoint(
            listeners, settings.user_agent, self._on_event, client_tls=client_tls, takes_calls=takes_calls
        )

    async def start(self) -> None:
        """Listen, and register where configured.

        Raises:
            CannotListen: an address cannot be had.
            LocalError: a listener of an unknown transport, or ``tls`` without a context.
        """
        await self._endpoint.start()
        self._endpoint.use_registrations(self._registrations)

    def use_accounts(
        self,
        *,
        users: tuple[Credentials, ...],
        trusted_hosts: frozenset[str],
        trunks: tuple[Trunk, ...],
        default_trunk: str,
        registrations: tuple[RegistrationSettings, ...],
    ) -> None:
        """Take these in place of those it was made with, or given last. Registrations that stay as they are go on
        undisturbed, and so do phones whose user stays. A call that is up keeps the trunks that it began with.

        Raises:
            MalformedMessage: a registrar or an address of record that is no URI; nothing has changed.
            LocalError: nothing is listened on for the transport of a registrar; nothing has changed.
        """
        self._endpoint.use_registrations(registrations)
        self._settings = msgspec.structs.replace(self._settings, trunks=trunks, default_trunk=default_trunk)
        self._endpoint.use_accounts(users, trusted_hosts)

    def originate(self, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        """Begin to place a call; see `sipio.call_control.Originator`."""
        originating = Originating(origination, observer, self._endpoint, self._media, self._settings)
        originating.begin()
        return originating

    def bindings(self, user: str) -> list[Binding]:
        """Where a registered user is now, the newest first."""
        return self._endpoint.contacts(user)

    def drain(self) -> None:
        """Refuse new calls with 503; those that are up go on."""
        self._endpoint.drain()

    async def close(self, grace: float = 5.0) -> None:
        """End what is up and close."""
        await self._endpoint.close(grace)
        await self._media.close()

    def snapshot(self) -> SipSnapshot:
        """What its user agent counts, as it is now."""
        return self._endpoint.snapshot()

    def media_snapshot(self) -> MediaSnapshot:
        """What is counted of the audio of its calls, as it is now."""
        return self._media.snapshot()

    @property
    def addresses(self) -> list[Address]:
        """What is listened on, ports as bound."""
        return self._endpoint.addresses

    def _on_event(self, event: SipEvent) -> None:
        if isinstance(event, CallReceived):
            self._received(event.session)
        elif isinstance(event, AgentEvent):
            self._agent_event(event)
        else:
            # Whoever drives a session put itself there; a session that was refused has nobody.
            driver = event.session.driver
            if isinstance(event, SessionEnded):
                # Nothing follows, and the driver knows its session: neither is left to the collector.
                event.session.driver = None
            if driver is not None:
                driver.session_event(event)

    def _received(self, session: IncomingSession) -> None:
        where = self._endpoint.media_address(session.local_address, session.offered_host)
        try:
            media = self._media.open(where.bound)
        except NoFreePort:
            session.reject(UNAVAILABLE, headers=self._retry_after())
            return
        call = SipCall(
            session,
            media,
            self._media,
            self._endpoint,
            self._settings,
            self._offer(session),
            media_host=where.shown,
        )
        session.driver = call
        taken = self._handler.offered(call)
        if isinstance(taken, Hangup):
            if taken.code == UNAVAILABLE:
                taken = Hangup(
                    code=taken.code,
                    reason=taken.reason,
                    cause=taken.cause,
                    headers=[*taken.headers, *self._retry_after()],
                )
            call.refuse(taken)
        else:
            call.take(taken)

    def _retry_after(self) -> list[tuple[str, str]]:
        return [("Retry-After", str(self._settings.user_agent.limits.retry_after_seconds))]

    def _offer(self, session: IncomingSession) -> CallOffer:
        request = session.request
        caller = request.address("From")
        source = session.connection_address()
        trunks = self._settings.trunks
        trunk = trunk_of(request, source.host, trunks) if source is not None else None
        to = called_address(request, trunk, trunks)
        calling = caller.uri.number if caller is not None else Number("")
        called = to.number
        return CallOffer(
            id=session.id,
            driver="sip",
            from_user=calling.text,
            from_name=(caller.display_name or "") if caller is not None else "",
            from_host=caller.uri.host if caller is not None else "",
            to_user=called.text,
            to_host=to.host,
            from_parameters=calling.parameters,
            to_parameters=called.parameters,
            source=source.host_port if source is not None else "",
            headers=list(request.headers),
            customer=session.user or (trunk.customer if trunk is not None else ""),
        )
