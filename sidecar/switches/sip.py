"""SIP: the embedded user agent, for calls that phones and trunks bring without a switch."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, assert_never

from sidecar.configuration.addresses import parse_sip_listen
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.hosts.placed.calls import Registration
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.switches.failed_logins import FailedLogins
from sidecar.switches.media import media_settings
from sidecar.switches.sip_accounts import SipAccounts, load_accounts, readable_by_others
from sipio.call_control import (
    CallHandler,
    CallLimits,
    NoOrigination,
    Origination,
    OriginationObserver,
    PendingOrigination,
)
from sipio.errors import LocalError, MalformedMessage
from sipio.media.statistics import MediaSnapshot
from sipio.sip.address import is_ip_address
from sipio.sip.counters import SipSnapshot
from sipio.sip.endpoint import SipListener
from sipio.sip.events import AgentEvent, BindingChanged, ChallengeUnmet, LoginFailed, RegistrationChanged
from sipio.sip.settings import UserAgentSettings
from sipio.sip.transport import CannotListen
from sipio.sip_driver.driver import SipDriver
from sipio.sip_driver.settings import SipDriverSettings

_log = ActionLogger(__name__)

CLOSE_SECONDS: Final = 1.5
"""How long peers have to answer the BYEs and CANCELs of the end; the shutdown step that it is part of has 2 s."""


class SipPart:
    """The part of the daemon that serves `sipio.sip_driver`; nothing where ``sip.listen`` is empty or no calls are
    taken, which ``handler`` None says. ``handler_needed`` is awaited before the first of them may come; ``takes_calls``
    says whether one would be taken now."""

    name = "sip"
    drain_seconds = 0.0

    def __init__(
        self,
        configuration: Configuration,
        handler: CallHandler | None,
        handler_needed: Callable[[], Awaitable[None]],
        takes_calls: Callable[[], bool],
    ) -> None:
        self._section = configuration.sip
        self._handler_needed = handler_needed
        self._driver: SipDriver | None = None
        self._accounts = SipAccounts()
        if configuration.sip.listen and handler is not None:
            if self._section.accounts is not None:
                self._accounts = load_accounts(self._section.accounts)
            self._driver = sip_driver(configuration, self._accounts, handler, takes_calls)
        self._listening = False

    def reload(self) -> None:
        """Read the accounts file anew. What is up stays: calls, phones whose user is still there, registrations that
        are as they were. Raises ConfigurationError where it is not right; then the former accounts stay as well."""
        if self._driver is None or not self._listening or self._section.accounts is None:
            return
        accounts = load_accounts(self._section.accounts)
        _warn_of_readers(self._section.accounts)
        try:
            self._driver.use_accounts(
                users=accounts.users,
                trusted_hosts=accounts.trusted_hosts,
                trunks=accounts.trunks,
                default_trunk=accounts.default_trunk,
                registrations=accounts.registrations,
            )
        except (LocalError, MalformedMessage) as error:
            raise ConfigurationError(f"{self._section.accounts}: {error}") from error
        self._accounts = accounts
        _log.info("sip_accounts", users=len(accounts.users), trunks=len(accounts.trunks))

    async def start(self) -> None:
        """Listen, and register where configured. Raises ConfigurationError where an address cannot be had, and what
        ``handler_needed`` raises."""
        if self._driver is not None:
            if self._section.accounts is not None:
                _warn_of_readers(self._section.accounts)
            await self._handler_needed()
            try:
                await self._driver.start()
            except CannotListen as error:
                raise ConfigurationError(f"sip.listen: cannot listen on {error}") from error
            self._listening = True

    def originate(self, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        """Place a call; see `sipio.call_control.Originator`."""
        if self._driver is None or not self._listening:
            observer.refused(503, "the SIP agent is not listening")
            return NoOrigination()
        return self._driver.originate(origination, observer)

    def owner(self, user: str) -> str:
        """The tenant whose phone it is; empty for nobody's in particular."""
        return self._accounts.owners.get(user, "")

    def registrations(self, user: str | None) -> list[Registration]:
        """Where the phones of a user, or of all, are."""
        if self._driver is None or not self._listening:
            return []
        now = asyncio.get_running_loop().time()
        users = [one.username for one in self._accounts.users] if user is None else [user]
        return [
            Registration(user=name, contact=binding.contact, expires=round(binding.expires_at - now, 3))
            for name in users
            for binding in self._driver.bindings(name)
        ]

    def refuse_calls(self) -> None:
        """Refuse new calls with 503."""
        if self._driver is not None:
            self._driver.drain()

    def stop_accepting(self) -> None:
        """Refuse new calls with 503, as before."""
        self.refuse_calls()

    async def drain(self) -> None:
        """What is up here are calls, and they drain."""

    def cancel_rest(self) -> None:
        """What is up here are calls, and they end."""

    async def close(self) -> None:
        """Let peers answer the end of their calls, then close; nothing the second time."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close(CLOSE_SECONDS)

    def state(self) -> PartState:
        """Where it listens."""
        if self._driver is None or not self._listening:
            return PartState()
        return PartState(addresses=[f"{address.transport}:{address.host_port}" for address in self._driver.addresses])

    def snapshot(self) -> SipSnapshot | None:
        """What the user agent counts; None where there is none, or it has not begun."""
        return self._driver.snapshot() if self._driver is not None and self._listening else None

    def media_snapshot(self) -> MediaSnapshot | None:
        """What is counted of the audio of its calls; None where there is no user agent, or it has not begun."""
        return self._driver.media_snapshot() if self._driver is not None and self._listening else None


def sip_driver(
    configuration: Configuration, accounts: SipAccounts, handler: CallHandler, takes_calls: Callable[[], bool]
) -> SipDriver:
    """The user agent as the operator configured it. Raises ConfigurationError."""
    sip = configuration.sip
    return SipDriver(
        [listener(text, configuration) for text in sip.listen],
        driver_settings(configuration, accounts),
        handler,
        registrations=accounts.registrations,
        client_tls=ssl.create_default_context(),
        agent_event=_AgentEvents(),
        takes_calls=takes_calls,
    )


def driver_settings(configuration: Configuration, accounts: SipAccounts) -> SipDriverSettings:
    """What the user agent goes by. Raises ConfigurationError for ports that are no range."""
    sip = configuration.sip
    return SipDriverSettings(
        user_agent=UserAgentSettings(
            # A call that is bridged has a session to either side.
            limits=CallLimits(calls=2 * configuration.voice.calls),
            ring_timeout_seconds=sip.ring_seconds,
            session_expires_seconds=sip.session_expires_seconds,
            digest_algorithms=sip.digest_algorithms,
            digest_without_qop=sip.digest_without_qop,
            users=accounts.users,
            trusted_hosts=accounts.trusted_hosts,
        ),
        media=media_settings(configuration),
        trunks=accounts.trunks,
        default_trunk=accounts.default_trunk,
        sip_uris=sip.sip_uris,
    )


def listener(text: str, configuration: Configuration) -> SipListener:
    """One entry of ``sip.listen``. Raises ConfigurationError."""
    try:
        found = parse_sip_listen(text)
    except ValueError as error:
        raise ConfigurationError(f"sip.listen: {error}") from error
    transport, where = found.transport, found.where
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
        advertised_host=found.advertised_host or _advertised(configuration.sip.advertised_host, where.host),
        advertised_port=found.advertised_port,
        tls=context,
    )


def _advertised(host: str, listened: str) -> str:
    """``sip.advertised_host`` for a listener there: an address of one family is nothing to tell peers of the other."""
    return host if not is_ip_address(host) or (":" in host) == (":" in listened) else ""


def _warn_of_readers(file: Path) -> None:
    problem = readable_by_others(file)
    if problem:
        _log.warning("sip_accounts_readable", file=str(file), problem=problem)


class _AgentEvents:
    """What the agent tells of itself, as log lines."""

    def __init__(self) -> None:
        self._failed_logins = FailedLogins()

    def __call__(self, event: AgentEvent) -> None:
        match event:
            case RegistrationChanged():
                log = _log.info if event.state == "registered" else _log.warning
                log("registration", trunk=event.name, state=event.state.value, status=event.status, reason=event.reason)
            case BindingChanged():
                _log.info("phone", user=event.user, contacts=event.contacts)
            case ChallengeUnmet():
                _log.warning("challenge_unmet", uri=event.uri, status=event.status, reason=event.reason)
            case LoginFailed():
                self._failed_logins.failed(event, time.monotonic())
            case _:
                assert_never(event)
