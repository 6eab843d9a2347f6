"""A MessagePack-RPC client: pipelined, over a unix socket, TCP or TLS."""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from sipio.errors import MalformedMessage, SipioError
from sipio.rpc.addresses import TlsFiles, UnixAddress, parse_address
from sipio.rpc.errors import ConnectionLost
from sipio.rpc.limits import RpcLimits
from sipio.rpc.protocol import RpcProtocol
from sipio.rpc.service import Method, Service
from sipio.rpc.values import ValueDecoder

CLIENT_LIMITS: Final = RpcLimits(frame_bytes=16_777_216, output_bytes=67_108_864)
"""A client trusts its server further than a server its clients."""

_ANYTHING: Final = ValueDecoder(Any)

Answer = Callable[[SipioError | None, Any], None]
"""Told once what became of a request: an error, or None and the result."""


class RpcClient:
    """One connection to a server; it may serve the server's requests as well, if ``methods`` are given."""

    def __init__(self, connection: RpcProtocol) -> None:
        self._connection = connection
        self._peer = connection.peer

    @classmethod
    async def connect(
        cls,
        address: str,
        *,
        tls: TlsFiles | None = None,
        server_hostname: str | None = None,
        methods: Mapping[str, Method] | None = None,
        limits: RpcLimits = CLIENT_LIMITS,
    ) -> "RpcClient":
        """Connect to ``unix:/path`` or ``tcp:host:port``.

        Raises `LocalError` for an address that is none, `ConnectionLost` where nobody answers.
        """
        where = parse_address(address)
        loop = asyncio.get_running_loop()
        connection = RpcProtocol(Service(methods or {}, limits))
        try:
            if isinstance(where, UnixAddress):
                await loop.create_unix_connection(lambda: connection, os.fspath(where.path))
            else:
                context = tls.client_context() if tls is not None else None
                hostname = server_hostname or where.host if context is not None else None
                await loop.create_connection(
                    lambda: connection, where.host, where.port, ssl=context, server_hostname=hostname
                )
        except OSError as error:
            raise ConnectionLost(f"{address}: {error.strerror or error}") from error
        return cls(connection)

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done once the connection is gone."""
        return self._peer.ended

    def request(
        self,
        method: str,
        params: Any,
        answer: Answer,
        decoder: ValueDecoder = _ANYTHING,
    ) -> int:
        """Ask without waiting. ``params`` is a list or tuple; ``decoder`` types the result.

        ``answer`` is told `RpcError` for an error of the server, `ConnectionLost`, or `MalformedMessage`
        for a result of another type. Raises `ConnectionLost` and `LocalError` as `RpcPeer.request` does.
        """

        def reply(error: SipioError | None, raw: msgspec.Raw) -> None:
            result = None
            if error is None:
                try:
                    result = decoder.decode(raw, "result")
                except MalformedMessage as malformed:
                    error = malformed
            answer(error, result)

        return self._peer.request(method, params, reply)

    def give_up(self, request: int) -> None:
        """Forget a request: its ``answer`` is not called any more. The server goes on with it."""
        self._peer.give_up(request)

    async def call(self, method: str, *params: Any, result_type: Any = None) -> Any:
        """Ask, and wait for the result, of ``result_type`` if that is given.

        Raises `RpcError`, `ConnectionLost`, `MalformedMessage`, `LocalError`.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answer(error: SipioError | None, result: Any) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        decoder = _ANYTHING if result_type is None else ValueDecoder(result_type)
        request = self.request(method, params, answer, decoder)
        try:
            return await future
        finally:
            self.give_up(request)

    def notify(self, method: str, *params: Any) -> None:
        """Tell the server. Raises `ConnectionLost` and `LocalError`."""
        self._peer.notify(method, params)

    async def close(self) -> None:
        """End the connection. Requests without an answer get `ConnectionLost`."""
        self._connection.close()
        await self._peer.ended
