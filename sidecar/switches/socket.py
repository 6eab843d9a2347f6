"""MessagePack-RPC: the sockets that a switch connects to, for decisions and for calls that it drives itself."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from msgspec import structs

from sidecar.configuration.tree import Configuration, SocketSection
from sidecar.errors import ConfigurationError
from sidecar.hosts.routing import seen_of
from sidecar.lifecycle import PartState
from sipio.call_control import (
    CallHandler,
    CallLimits,
    NoOrigination,
    Origination,
    OriginationObserver,
    PendingOrigination,
)
from sipio.errors import LocalError
from sipio.held_socket import HeldSocket
from sipio.routing import Router
from sipio.rpc.addresses import ListenAddress, TcpAddress, TlsFiles, UnixAddress
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.counters import RpcCallsSnapshot, RpcSnapshot
from sipio.rpc.limits import RpcLimits
from sipio.rpc.originating import ORIGINATE
from sipio.rpc.peer import RpcPeer
from sipio.rpc.server import RpcServer
from sipio.rpc.service import Method
from sipio.rpc.switch import CALL_RECORD, SwitchMethods

NAME: Final = "ScriptForge Sidecar"
DISTRIBUTION: Final = "scriptforge-sidecar"
NOTIFY: Final = "notify"
"""Of a held connection: what its client asked to be notified of."""


class SocketPart:
    """The part of the daemon that serves `sipio.rpc`. ``stats`` and ``scripts`` answer the methods of that name."""

    name = "sockets"
    drain_seconds = 0.0

    def __init__(
        self,
        configuration: Configuration,
        router: Router,
        handler: CallHandler,
        *,
        stats: Callable[[], Mapping[str, Any]],
        scripts: Callable[[], Mapping[str, Any]],
        more: Mapping[str, Method] | None = None,
    ) -> None:
        """``more`` are methods of other parts."""
        self._section = configuration.socket
        self._calls = RpcCalls(handler, CallLimits(calls=configuration.voice.calls))
        self._methods = SwitchMethods(
            router,
            name=NAME,
            version=version(DISTRIBUTION),
            stats=stats,
            scripts=scripts,
            more={**self._calls.methods, **(more or {})},
            look=seen_of,
        )
        self._server = RpcServer(self._methods.methods, rpc_limits(self._section))
        self._bound: list[ListenAddress] = []
        self._held: Sequence[HeldSocket] = ()
        self._asked = 0

    async def start(self) -> None:
        """Listen. Raises ConfigurationError where an address cannot be had."""
        held, self._held = self._held, ()
        try:
            self._bound = await self._server.start(listen_addresses(self._section), held, self._adopted)
        except LocalError as error:
            key = "unix" if str(error).startswith(f"{self._section.unix}:") else "tcp"
            raise ConfigurationError(f"socket.{key}: cannot listen on {error}") from error

    def originate(self, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        """Have a switch that takes ``call.originate`` place a call, one after the other where there are several; see
        `sipio.call_control.Originator`."""
        peers = self._methods.wanting(ORIGINATE)
        if not peers:
            observer.refused(503, "no switch is connected that places calls")
            return NoOrigination()
        self._asked += 1
        return self._calls.originate(peers[self._asked % len(peers)], origination, observer)

    def refuse_calls(self) -> None:
        """Leave it to whoever drives the calls, who refuses those that are announced from now on."""

    def stop_accepting(self) -> None:
        """Take no connection, and refuse requests with a typed error."""
        self._server.stop_accepting()
        self._server.refuse_requests()

    def take(self, held: Sequence[HeldSocket]) -> None:
        """Go on with these listening sockets and connections in `start`."""
        self._held = held

    def hold(self) -> None:
        """Accept and read no more."""
        self._server.hold()

    def resume(self) -> None:
        """Accept and read again."""
        self._server.resume()

    @property
    def at_rest(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._server.at_rest

    def hand_over(self) -> Sequence[HeldSocket]:
        """The listening sockets, and the connections with what each client asked to be notified of."""
        return [
            held if peer is None else _with_wishes(held, self._methods.wanted_by(peer))
            for peer, held in self._server.hand_over()
        ]

    def let_go(self) -> None:
        """Give up every socket."""
        self._server.let_go()

    def _adopted(self, peer: RpcPeer, held: HeldSocket) -> None:
        self._methods.want(peer, held.details.get(NOTIFY, ()))

    async def drain(self) -> None:
        """What is asked here are decisions and calls, and they drain."""

    def cancel_rest(self) -> None:
        """What is asked here are decisions and calls, and they end."""

    async def close(self) -> None:
        """Write out what was answered, then close."""
        for one in self._held:  # it was never started
            one.discard()
        await self._server.close()

    def state(self) -> PartState:
        """Where it listens."""
        return PartState(addresses=[_shown(address) for address in self._bound])

    def snapshot(self) -> RpcSnapshot:
        """What the server counts."""
        return self._server.snapshot()

    def calls_snapshot(self) -> RpcCallsSnapshot:
        """What is counted of the calls that switches announce."""
        return self._calls.snapshot()

    def announce_call(self, record: Any) -> None:
        """Give a call's record to every client that asked for them."""
        self._methods.announce(CALL_RECORD, record)


def _with_wishes(held: HeldSocket, notify: Sequence[str]) -> HeldSocket:
    return structs.replace(held, details={**held.details, NOTIFY: notify})


def rpc_limits(section: SocketSection) -> RpcLimits:
    """The sockets' caps as the operator configured them."""
    return RpcLimits(
        frame_bytes=section.frame_bytes,
        connections=section.connections,
        in_flight_per_connection=section.in_flight_per_connection,
        in_flight=section.in_flight,
        idle_seconds=section.idle_seconds,
        partial_frame_seconds=section.partial_frame_seconds,
        output_bytes=section.output_bytes,
    )


def listen_addresses(section: SocketSection) -> list[ListenAddress]:
    """The unix socket, the TCP socket, both or none."""
    addresses: list[ListenAddress] = []
    if section.unix is not None:
        addresses.append(UnixAddress(path=section.unix, mode=int(section.unix_mode, 8), group=section.unix_group))
    if section.tcp is not None:
        tls = None
        if section.tls_certificate is not None:
            tls = TlsFiles(certificate=section.tls_certificate, key=section.tls_key, authority=section.tls_client_ca)
        addresses.append(TcpAddress(host=section.tcp.host, port=section.tcp.port, allow=section.allow, tls=tls))
    return addresses


def _shown(address: ListenAddress) -> str:
    if isinstance(address, UnixAddress):
        return f"unix:{address.path}"
    return f"{'tls' if address.tls is not None else 'tcp'}:{address.host}:{address.port}"
