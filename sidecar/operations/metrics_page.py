"""The metrics and health page: a small HTTP/1.1 server that cannot hurt the call path."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sidecar.errors import ConfigurationError
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sipio.host_port import HostPort

REQUEST_BYTES: Final = 8_192
"""Request line and headers. A scraper sends about 300 bytes."""

CONNECTIONS: Final = 16
"""Open at once; the next one is closed. A pair of Prometheus servers and a probe need three."""

CONNECTION_SECONDS: Final = 5.0
"""From the connection's beginning to the answer's last byte."""

RENDER_SECONDS: Final = 1.0
"""A page this young is given again: rendering takes 2 ms of the loop at 400 series, so however often
somebody asks, calls lose 0.2 % to it."""

_log = ActionLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether calls are being decided, and what the daemon is doing."""

    healthy: bool
    state: str
    details: Mapping[str, str | int | float | bool] = field(default_factory=dict)


def health_of(parts: Iterable[PartState]) -> Health:
    """The health of a daemon of these parts: each must be able to do its work."""
    states = list(parts)
    faults = [state.fault for state in states if state.fault]
    details = {name: value for state in states for name, value in state.details.items()}
    return Health(healthy=not faults, state="; ".join(faults) or "serving", details=details)


class MetricsPage:
    """Request head to response, and nothing of sockets. Every response closes its connection."""

    def __init__(self, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self._registry = registry
        self._health = health
        self._rendered = b""
        self._rendered_at = float("-inf")

    def respond(self, head: bytes, now: float) -> bytes:
        """The response to a request's line and headers; ``now`` is monotonic seconds."""
        line = head.split(b"\r\n", 1)[0].split(b" ")
        if len(line) != 3 or not line[2].startswith(b"HTTP/1."):
            return response(HTTPStatus.BAD_REQUEST)
        method, target, _ = line
        path = target.split(b"?", 1)[0]
        if path not in (b"/metrics", b"/health"):
            return response(HTTPStatus.NOT_FOUND)
        if method != b"GET":
            return response(HTTPStatus.METHOD_NOT_ALLOWED, extra="Allow: GET\r\n")
        try:
            if path == b"/health":
                return self._respond_health()
            if now - self._rendered_at >= RENDER_SECONDS:
                self._rendered = generate_latest(self._registry)
                self._rendered_at = now
        except Exception:  # noqa: BLE001 - logged with its traceback and answered with 500
            # A source that raises is a bug of ours; half a page would be read as counters that went away.
            _log.exception("metrics_failed")
            return response(HTTPStatus.INTERNAL_SERVER_ERROR)
        return response(HTTPStatus.OK, self._rendered, CONTENT_TYPE_PLAIN_0_0_4)

    def _respond_health(self) -> bytes:
        health = self._health()
        status = HTTPStatus.OK if health.healthy else HTTPStatus.SERVICE_UNAVAILABLE
        return response(status, msgspec.json.encode(health), "application/json")


def response(status: HTTPStatus, body: bytes | None = None, content_type: str = "text/plain", extra: str = "") -> bytes:
    """A whole HTTP/1.1 response; without a body, the status in words."""
    if body is None:
        body = f"{status.phrase}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One request, one response, one deadline over both."""

    def __init__(self, page: MetricsPage, connections: set["_Connection"]) -> None:
        self._page = page
        self._connections = connections
        self._received = bytearray()
        self._answered = False
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # By cast: uvloop's transports are no asyncio.Transport by isinstance.
        stream = cast("asyncio.Transport", transport)
        self._transport = stream
        if len(self._connections) >= CONNECTIONS:
            stream.abort()
            return
        self._connections.add(self)
        self._deadline = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, stream.abort)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if self._answered or transport is None:
            return
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end >= 0:
            answer = self._page.respond(bytes(self._received[:end]), time.monotonic())
        elif len(self._received) > REQUEST_BYTES:
            answer = response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            return
        self._answered = True
        self._received.clear()
        transport.write(answer)
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class MetricsServer:
    """The part of the daemon that serves the page, on one TCP address; nothing where ``listen`` is None. Port 0 lets
    the system pick one."""

    name = "metrics"
    drain_seconds = 0.0

    def __init__(self, page: MetricsPage, listen: HostPort | None) -> None:
        self._page = page
        self._listen = listen
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def bound(self) -> tuple[str, int]:
        """The address listened on. Raises ConfigurationError where there is none."""
        if self._server is None:
            raise ConfigurationError("metrics.listen: nothing is listened on")
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Listen. Raises ConfigurationError if the address cannot be used."""
        listen = self._listen
        if listen is None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self._page, self._connections), listen.host, listen.port
            )
        except OSError as error:
            # asyncio wraps what the system says in a sentence of its own, with the address once more.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise ConfigurationError(f"metrics.listen: cannot listen on {listen}: {reason}") from error

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Go on answering, so that whoever asks is told that the daemon stops."""

    async def drain(self) -> None:
        """Return at once: a page is answered in the turn of the loop in which it was asked for."""

    def cancel_rest(self) -> None:
        """Leave the connections to `close`: there is no answer under way that could be cancelled."""

    async def close(self) -> None:
        """Stop listening and drop what is open."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self._connections):
            connection.abort()
        await server.wait_closed()

    def state(self) -> PartState:
        """Always without a fault: no call depends on this page."""
        return PartState()
