"""The way in: uvicorn in our own event loop, as a part that ends in its turn."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from sidecar.configuration.tree import PlatformSection
from sidecar.errors import ConfigurationError
from sidecar.http.connection import WebSocketProtocol, bounded
from sidecar.lifecycle import PartState

BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 30
FRAME_BYTES: Final = 1_000_000
"""Of one frame of a web socket."""
PING_SECONDS: Final = 20.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's, which ends its parts in order."""
        yield


class HttpServer:
    """The part of the platform that is asked over HTTP. Port 0 lets the system pick one."""

    name = "http"

    def __init__(self, app: ASGIApp, section: PlatformSection) -> None:
        self._app = app
        self._section = section
        self.drain_seconds = 0.0
        self._server: _Server | None = None
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """Such as ``http://127.0.0.1:8080``; empty before the start."""
        return self._address

    async def start(self) -> None:
        """Listen. Raises ConfigurationError where the address or the certificate cannot be used."""
        section = self._section
        listen = section.listen
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        listening = self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((listen.host, listen.port))
        except OSError as error:
            raise ConfigurationError(f"platform.listen: cannot listen on {listen}: {error.strerror}") from error
        config = uvicorn.Config(
            self._app,
            http=bounded(section.request_seconds),
            ws=WebSocketProtocol,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(section.trusted_proxies),
            forwarded_allow_ips=list(section.trusted_proxies),
            limit_concurrency=section.connections,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            ws_max_size=FRAME_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            ssl_certfile=section.tls_certificate,
            ssl_keyfile=section.tls_key,
        )
        try:
            config.load()
        except OSError as error:
            named = section.tls_certificate
            raise ConfigurationError(f"platform.tls_certificate: {named} cannot be used: {error}") from error
        self._server = server = _Server(config)
        self._serving = asyncio.get_running_loop().create_task(server.serve(sockets=[listening]))
        while not server.started:
            if self._serving.done():
                self._serving.result()
                raise ConfigurationError("platform.listen: the server has ended")
            await asyncio.sleep(0.01)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self._address = f"{'https' if config.is_ssl else 'http'}://{shown}:{port}"

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Listen no more, and end connections on which nothing is asked."""
        if self._server is not None:
            self._server.should_exit = True
            # It would look up from its sleep within 0.1 s.
            for listening in self._server.servers:
                listening.close()

    async def drain(self) -> None:
        """Return at once: what is under way are runs, which are waited for by those who run them."""

    def cancel_rest(self) -> None:
        """Leave the connections to `close`: what is answered by now is still sent."""

    async def close(self) -> None:
        """Send what was answered, then end connections."""
        server, serving = self._server, self._serving
        if serving is not None and server is not None:
            server.should_exit = True
            _, open_still = await asyncio.wait((serving,), timeout=1.0)
            if open_still:
                server.force_exit = True
                for connection in list(server.server_state.connections):
                    transport = getattr(connection, "transport", None)
                    if transport is not None:
                        transport.abort()
                await asyncio.wait((serving,), timeout=0.5)
            serving.cancel()
        elif self._socket is not None:
            self._socket.close()
        self._server = self._serving = self._socket = None

    def state(self) -> PartState:
        """Where it can be asked."""
        return PartState(addresses=(self._address,) if self._address else ())
