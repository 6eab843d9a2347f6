"""FreeSWITCH: the event socket that it connects to, for the decision (Class 4) or the driving (Class 5) of a call."""

from collections.abc import Awaitable, Callable, Sequence

from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.hosts.secret_file import first_line
from sidecar.lifecycle import PartState
from sidecar.switches.media import media_settings
from sidecar.switches.sound_files import SoundFiles
from sipio.call_control import (
    CallHandler,
    CallLimits,
    NoOrigination,
    Origination,
    OriginationObserver,
    PendingOrigination,
)
from sipio.errors import LocalError
from sipio.freeswitch.server import FreeswitchServer, FreeswitchSnapshot
from sipio.freeswitch.settings import FreeswitchSettings, InboundSocket
from sipio.held_socket import HeldSocket
from sipio.host_port import HostPort
from sipio.media.library import SoundLibrary
from sipio.routing import Router
from sipio.rpc.addresses import TcpAddress


class FreeswitchPart:
    """The part of the daemon that serves `sipio.freeswitch`; nothing where ``freeswitch.listen`` is empty.

    ``handler`` is None where no Class 5 calls are taken. ``handler_needed`` is awaited before the first of them may
    come.
    """

    name = "freeswitch"
    drain_seconds = 0.0

    def __init__(
        self,
        configuration: Configuration,
        router: Router,
        handler: CallHandler | None,
        handler_needed: Callable[[], Awaitable[None]],
    ) -> None:
        self._section = configuration.freeswitch
        self._takes_calls = handler is not None
        self._handler_needed = handler_needed
        self._sound_files: SoundFiles | None = None
        self._server: FreeswitchServer | None = None
        self._bound: HostPort | None = None
        self._held: Sequence[HeldSocket] = ()
        if self._section.listen is not None:
            library = SoundLibrary(media_settings(configuration))
            self._sound_files = SoundFiles(library, configuration.voice.cache / "freeswitch")
            self._server = FreeswitchServer(handler, router, freeswitch_settings(configuration), self._sound_files)

    async def start(self) -> None:
        """Listen. Raises ConfigurationError where the address cannot be had, and what ``handler_needed`` raises."""
        where = self._section.listen
        held, self._held = self._held, ()
        if self._server is None or where is None:
            for one in held:
                one.discard()
            return
        if self._takes_calls:
            await self._handler_needed()
        address = TcpAddress(host=where.host, port=where.port, allow=self._section.allow)
        try:
            self._bound = HostPort(where.host, await self._server.start(address, held))
        except LocalError as error:
            raise ConfigurationError(f"freeswitch.listen: cannot listen on {error}") from error

    def originate(self, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        """Have FreeSWITCH place a call; see `sipio.call_control.Originator`."""
        if self._server is None or self._bound is None:
            observer.refused(503, "FreeSWITCH is not served here")
            return NoOrigination()
        return self._server.originate(origination, observer)

    def refuse_calls(self) -> None:
        """Leave it to whoever drives the calls, who refuses those that are brought from now on."""

    def stop_accepting(self) -> None:
        """Refuse new calls with 503."""
        if self._server is not None:
            self._server.drain()

    def take(self, held: Sequence[HeldSocket]) -> None:
        """Go on with these listening sockets in `start`."""
        self._held = held

    def hold(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.hold()

    def resume(self) -> None:
        """Accept again."""
        if self._server is not None:
            self._server.resume()

    @property
    def at_rest(self) -> bool:
        """Whether no call is here."""
        return self._server is None or self._server.at_rest

    def hand_over(self) -> Sequence[HeldSocket]:
        """The listening sockets; a connection is one call, and there is none."""
        return self._server.hand_over() if self._server is not None else ()

    def let_go(self) -> None:
        """Give up the listening sockets."""
        if self._server is not None:
            self._server.let_go()

    async def drain(self) -> None:
        """What is up here are decisions and calls, and they drain."""

    def cancel_rest(self) -> None:
        """What is up here are decisions and calls, and they end."""

    async def close(self) -> None:
        """Write out what was answered, close, and give up the sounds being made."""
        for one in self._held:  # it was never started
            one.discard()
        if self._server is not None:
            await self._server.close()
        if self._sound_files is not None:
            await self._sound_files.close()

    def state(self) -> PartState:
        """Where it listens."""
        return PartState(addresses=[str(self._bound)] if self._bound is not None else ())

    def snapshot(self) -> FreeswitchSnapshot | None:
        """What the server counts; None where there is none."""
        return self._server.snapshot() if self._server is not None else None


def freeswitch_settings(configuration: Configuration) -> FreeswitchSettings:
    """The server as the operator configured it. Raises ConfigurationError for a password that cannot be read."""
    section = configuration.freeswitch
    inbound, callback = None, section.callback or section.listen
    if section.event_socket is not None and callback is not None:
        password = first_line("freeswitch.event_socket_password_file", section.event_socket_password_file)
        inbound = InboundSocket(address=section.event_socket, password=password, callback=callback)
    return FreeswitchSettings(
        limits=CallLimits(calls=configuration.voice.calls),
        sip_dial=section.sip_dial,
        user_dial=section.user_dial,
        trunk_dial=section.trunk_dial,
        default_trunk=section.default_trunk,
        speech=section.speech,
        url_prefix=section.url_prefix,
        inbound=inbound,
    )
