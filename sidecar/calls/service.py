"""Class 5 as the daemon serves it: the scripts' workers, the calls, and the drivers that bring them."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable

from sandbox.errors import SandboxError
from sandbox.pool import Pool, PoolState
from sidecar.calls.calls import Calls
from sidecar.calls.record import CallRecord
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.hosts.grants import Grants
from sidecar.logs.logger import ActionLogger
from sidecar.runs.pool_settings import call_pool
from sidecar.switches.sip_accounts import SipAccounts, load_accounts
from sidecar.switches.sound_files import SoundFiles
from sipio.call_control import CallLimits
from sipio.freeswitch.server import FreeswitchServer
from sipio.freeswitch.settings import FreeswitchSettings
from sipio.host_port import HostPort, InvalidHostPort
from sipio.media.library import SoundLibrary
from sipio.media.settings import FetchSettings, MediaSettings, SpeechSettings
from sipio.routing import Router
from sipio.rpc.addresses import TcpAddress
from sipio.rpc.call_methods import RpcCalls
from sipio.sip.endpoint import SipListener
from sipio.sip.events import BindingChanged, RegistrationChanged
from sipio.sip.settings import UserAgentSettings
from sipio.sip_driver.driver import SipDriver
from sipio.sip_driver.settings import SipDriverSettings

_log = ActionLogger(__name__)

CLOSE_SECONDS = 1.5
"""For peers to answer the BYEs and CANCELs of the end; the shutdown step that it is part of has 2 s."""

BOOKKEEPING_SECONDS = 0.8
"""What scripts have for it once their calls were ended by the stop; the step that it is part of has 1 s for it."""


class Voice:
    """Everything that drives calls. Its workers start with the first thing that may bring a call: a driver that is
    configured, or a destination in the catalog, since a switch may announce calls over MessagePack-RPC."""

    def __init__(
        self,
        configuration: Configuration,
        snapshot: Snapshot,
        router: Router,
        ended: Callable[[CallRecord], None],
        grants: Grants,
    ) -> None:
        voice = configuration.voice
        self._configuration = configuration
        self._pool = Pool(call_pool(configuration))
        self.calls = Calls(self._pool, configuration, snapshot, ended, grants)
        limits = CallLimits(calls=voice.calls)
        self.rpc_calls = RpcCalls(self.calls, limits)
        """Its methods are served beside those of `sipio.rpc.switch`."""
        self._agent = _agent(configuration, self.calls) if self._enabled and configuration.sip.listen else None
        self._sound_files: SoundFiles | None = None
        self._freeswitch: FreeswitchServer | None = None
        if configuration.freeswitch.listen is not None:
            self._sound_files = SoundFiles(
                SoundLibrary(_media(configuration)), configuration.voice.cache / "freeswitch"
            )
            handler = self.calls if self._enabled else None
            settings = _freeswitch(configuration, limits)
            self._freeswitch = FreeswitchServer(handler, router, settings, self._sound_files)
        self._starting: asyncio.Task[None] | None = None
        self._destinations = 0
        self._serving = False

    @property
    def _enabled(self) -> bool:
        return self._configuration.voice.call_workers > 0

    async def start(self) -> list[str]:
        """Start what is configured; gives the addresses listened on.

        Raises SandboxError, OSError, LocalError or ConfigurationError.
        """
        if self._enabled and (self._agent is not None or self._freeswitch is not None or self._destinations):
            self._starting = asyncio.get_running_loop().create_task(self._pool.start())
            await self._starting
        addresses = []
        if self._agent is not None:
            await self._agent.start()
            addresses += [f"{address.transport}:{address.host_port}" for address in self._agent.addresses]
        section = self._configuration.freeswitch
        if self._freeswitch is not None and section.listen is not None:
            host = section.listen.host
            bound = await self._freeswitch.start(TcpAddress(host=host, port=section.listen.port, allow=section.allow))
            addresses.append(f"freeswitch:{HostPort(host, bound)}")
        return addresses

    def use(self, snapshot: Snapshot) -> None:
        """Take calls by this snapshot from now on."""
        self.calls.use(snapshot)
        self._pool.retain(self.calls.program_keys())
        first = not self._destinations and bool(snapshot.destinations)
        self._destinations = len(snapshot.destinations)
        if first and self._serving and self._enabled and self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start_late())

    def serving(self) -> None:
        """The daemon has started: from now on a catalog that gets its first destination starts the workers."""
        self._serving = True

    async def _start_late(self) -> None:
        try:
            await self._pool.start()
        except (SandboxError, OSError) as error:
            _log.error("call_workers_failed", error=str(error))

    def state(self) -> PoolState:
        """The workers of scripts that drive calls."""
        return self._pool.state()

    def stop_accepting(self) -> None:
        """Refuse new calls."""
        self.calls.refuse_new()
        if self._agent is not None:
            self._agent.drain()
        if self._freeswitch is not None:
            self._freeswitch.drain()

    async def drain(self) -> None:
        """Let calls that are up come to their end, within their time, then end them and let their scripts know."""
        try:
            async with asyncio.timeout(self._configuration.voice.drain_seconds):
                await self.calls.drain()
        except TimeoutError:
            self.calls.end_all("Shutting Down")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BOOKKEEPING_SECONDS):
                    await self.calls.drain()

    async def close(self) -> None:
        """End everything."""
        self.calls.end_all("Shutting Down")
        if self._agent is not None:
            await self._agent.close(CLOSE_SECONDS)
        if self._freeswitch is not None:
            await self._freeswitch.close()
        if self._sound_files is not None:
            await self._sound_files.close()
        if self._starting is not None:
            self._starting.cancel()
        await self._pool.close()


def _freeswitch(configuration: Configuration, limits: CallLimits) -> FreeswitchSettings:
    section = configuration.freeswitch
    return FreeswitchSettings(
        limits=limits,
        sip_dial=section.sip_dial,
        user_dial=section.user_dial,
        trunk_dial=section.trunk_dial,
        default_trunk=section.default_trunk,
        speech=section.speech,
        url_prefix=section.url_prefix,
    )


def _agent(configuration: Configuration, calls: Calls) -> SipDriver:
    sip = configuration.sip
    accounts = load_accounts(sip.accounts) if sip.accounts is not None else SipAccounts()
    settings = SipDriverSettings(
        user_agent=UserAgentSettings(
            limits=CallLimits(calls=2 * configuration.voice.calls),
            ring_timeout_seconds=sip.ring_seconds,
            session_expires_seconds=sip.session_expires_seconds,
            users=accounts.users,
            trusted_hosts=accounts.trusted_hosts,
        ),
        media=_media(configuration),
        trunks=accounts.trunks,
        default_trunk=accounts.default_trunk,
        sip_uris=sip.sip_uris,
    )
    return SipDriver(
        [_listener(text, configuration) for text in sip.listen],
        settings,
        calls,
        registrations=accounts.registrations,
        client_tls=ssl.create_default_context(),
        registration_changed=_registration_changed,
        binding_changed=_binding_changed,
    )


def _media(configuration: Configuration) -> MediaSettings:
    sip = configuration.sip
    low, _, high = sip.rtp_ports.partition("-")
    if not (low.isdigit() and high.isdigit() and 1024 <= int(low) < int(high) <= 65535):
        raise ConfigurationError(f"sip.rtp_ports: {sip.rtp_ports!r} is no range of ports, such as 20000-29999")
    cache = configuration.voice.cache
    return MediaSettings(
        port_first=int(low),
        port_last=int(high),
        timeout_seconds=sip.media_timeout_seconds,
        ringback=sip.country,
        speech=SpeechSettings(command=sip.speech_command, voice=sip.speech_voice, cache=cache / "speech"),
        fetch=FetchSettings(cache=cache / "fetched"),
    )


def _listener(text: str, configuration: Configuration) -> SipListener:
    transport, _, address = text.partition(":")
    try:
        where = HostPort.parse(address) if transport in {"udp", "tcp", "tls"} else None
    except InvalidHostPort:
        where = None
    if where is None:
        raise ConfigurationError(f"sip.listen: {text!r} is not udp:host:port, tcp:host:port or tls:host:port")
    context = None
    if transport == "tls":
        sip = configuration.sip
        if sip.tls_certificate is None or sip.tls_key is None:
            raise ConfigurationError("sip.listen: tls needs sip.tls_certificate and sip.tls_key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(sip.tls_certificate, sip.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"sip.tls_certificate: {error}") from error
    return SipListener(
        transport=transport,
        host=where.host,
        port=where.port,
        advertised_host=configuration.sip.advertised_host,
        tls=context,
    )


def _registration_changed(event: RegistrationChanged) -> None:
    log = _log.info if event.state == "registered" else _log.warning
    log("registration", trunk=event.name, state=event.state.value, status=event.status, reason=event.reason)


def _binding_changed(event: BindingChanged) -> None:
    _log.info("phone", user=event.user, contacts=event.contacts)
