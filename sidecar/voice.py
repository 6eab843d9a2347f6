"""Class 5 as the daemon serves it: the scripts' workers, the calls, and the drivers that bring them."""

import asyncio
import ssl
from collections.abc import Callable

from sandbox.pool import Pool, PoolSettings, PoolState
from sandbox.process import WorkerSettings
from sidecar.call_record import CallRecord
from sidecar.calls import Calls
from sidecar.catalog.model import Snapshot
from sidecar.configuration import Configuration
from sidecar.errors import ConfigurationError
from sidecar.logs import ActionLogger
from sidecar.sip_accounts import SipAccounts, load_accounts
from sipio.agent.agent import Agent
from sipio.agent.settings import AgentSettings
from sipio.media.settings import FetchSettings, MediaSettings, SpeechSettings
from sipio.sip.endpoint import SipListener
from sipio.sip.events import BindingChanged, RegistrationChanged
from sipio.sip.settings import UserAgentSettings

_log = ActionLogger(__name__)

CLOSE_SECONDS = 1.5
"""For peers to answer the BYEs and CANCELs of the end; the shutdown step that it is part of has 2 s."""


class Voice:
    """Everything that drives calls. Without a driver configured it is asleep: no worker, no socket."""

    def __init__(self, configuration: Configuration, snapshot: Snapshot, ended: Callable[[CallRecord], None]) -> None:
        voice, sandbox = configuration.voice, configuration.sandbox
        self._configuration = configuration
        self._pool = Pool(
            PoolSettings(
                workers=max(1, voice.call_workers),
                # A call has its place for as long as it lasts: there is nothing to move aside.
                slow_workers=0,
                worker=WorkerSettings(
                    memory_bytes=voice.call_worker_memory_bytes,
                    warm_contexts=0,
                    require_confinement=sandbox.require_confinement,
                ),
                stall_seconds=sandbox.stall_ms / 1000,
                queue=voice.calls,
                queue_per_program=voice.calls,
            )
        )
        self.calls = Calls(self._pool, configuration, snapshot, ended)
        self._agent: Agent | None = None

    @property
    def wanted(self) -> bool:
        """Whether anything may bring a call."""
        return bool(self._configuration.sip.listen) and self._configuration.voice.call_workers > 0

    async def start(self) -> list[str]:
        """Start what is configured; gives the addresses listened on.

        Raises SandboxError, OSError, LocalError or ConfigurationError.
        """
        if not self.wanted:
            return []
        await self._pool.start()
        if not self._configuration.sip.listen:
            return []
        self._agent = agent = _agent(self._configuration, self.calls)
        await agent.start()
        return [f"{address.transport}:{address.host_port}" for address in agent.addresses]

    def use(self, snapshot: Snapshot) -> None:
        """Take calls by this snapshot from now on."""
        self.calls.use(snapshot)
        self._pool.retain(self.calls.program_keys())

    def state(self) -> PoolState:
        """The workers of scripts that drive calls."""
        return self._pool.state()

    def stop_accepting(self) -> None:
        """Refuse new calls."""
        if self._agent is not None:
            self._agent.drain()

    async def drain(self) -> None:
        """Let calls that are up come to their end, within their time, then end them."""
        try:
            async with asyncio.timeout(self._configuration.voice.drain_seconds):
                await self.calls.drain()
        except TimeoutError:
            self.calls.end_all("Shutting Down")

    async def close(self) -> None:
        """End everything."""
        self.calls.end_all("Shutting Down")
        if self._agent is not None:
            await self._agent.close(CLOSE_SECONDS)
        await self._pool.close()


def _agent(configuration: Configuration, calls: Calls) -> Agent:
    sip = configuration.sip
    accounts = load_accounts(sip.accounts) if sip.accounts is not None else SipAccounts()
    low, _, high = sip.rtp_ports.partition("-")
    if not (low.isdigit() and high.isdigit() and 1024 <= int(low) < int(high) <= 65535):
        raise ConfigurationError(f"sip.rtp_ports: {sip.rtp_ports!r} is no range of ports, such as 20000-29999")
    records = configuration.voice.records
    cache = records.parent / "cache" if records is not None else None
    settings = AgentSettings(
        user_agent=UserAgentSettings(
            sessions=2 * configuration.voice.calls,
            session_expires_seconds=sip.session_expires_seconds,
            users=accounts.users,
            trusted_hosts=accounts.trusted_hosts,
        ),
        media=MediaSettings(
            port_first=int(low),
            port_last=int(high),
            timeout_seconds=sip.media_timeout_seconds,
            ringback=sip.country,
            speech=SpeechSettings(
                command=sip.speech_command,
                voice=sip.speech_voice,
                cache=cache / "speech" if cache is not None else None,
            ),
            fetch=FetchSettings(cache=cache / "fetched" if cache is not None else None),
        ),
        trunks=accounts.trunks,
        default_trunk=accounts.default_trunk,
        sip_uris=sip.sip_uris,
    )
    return Agent(
        [_listener(text, configuration) for text in sip.listen],
        settings,
        calls,
        registrations=accounts.registrations,
        registration_changed=_registration_changed,
        binding_changed=_binding_changed,
    )


def _listener(text: str, configuration: Configuration) -> SipListener:
    transport, _, address = text.partition(":")
    host, _, port = address.rpartition(":")
    if transport not in {"udp", "tcp", "tls"} or not host or not port.isdigit() or int(port) > 65535:
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
        host=host.strip("[]"),
        port=int(port),
        advertised_host=configuration.sip.advertised_host,
        tls=context,
    )


def _registration_changed(event: RegistrationChanged) -> None:
    log = _log.info if event.state == "registered" else _log.warning
    log("registration", trunk=event.name, state=event.state.value, status=event.status, reason=event.reason)


def _binding_changed(event: BindingChanged) -> None:
    _log.info("phone", user=event.user, contacts=event.contacts)
