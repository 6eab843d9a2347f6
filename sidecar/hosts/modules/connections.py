"""Connections of a script's own: what net, tls, dns, http and https of the sandbox ask."""

import base64
import binascii
from typing import Any, Final

from sidecar.hosts.errors import HostError
from sidecar.hosts.handles import Handles
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.hosts.outgoing.connection import Connection
from sidecar.hosts.outgoing.connection_errors import LIMIT, ConnectionFailed
from sidecar.hosts.services import CONNECTIONS
from sidecar.kind import Kind

OF_A_RUN: Final = 32
"""Connections of one run that are open: each has a question that waits, of which a run has a hundred."""
WRITTEN_BYTES: Final = 262_144
"""Of one question: of a megabyte that a run may ask at once, base64 and others beside it leave room for two."""
_PORTS: Final = range(1, 65_536)


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    try:
        return await _told(asker, method, values)
    except ConnectionFailed as error:
        # An answer, so that the script's own error has the code, and the author's place.
        return {"failed": {"code": error.code, "message": str(error), "syscall": error.syscall}}


async def _told(asker: Asker, method: str, values: list[Any]) -> Any:
    handles = asker.handles
    match method, values:
        case "connect", [str(host), int(port)] if port in _PORTS:
            return await _connect(asker, host, port)
        case "addresses", [str(host)]:
            connections = await asker.services.connections()
            return {"addresses": await connections.addresses(host, _only_hosts(asker))}
        case "upgrade", [int(number), str(name), str(ca), list(protocols)] if all(
            isinstance(protocol, str) for protocol in protocols
        ):
            connections = await asker.services.connections()
            connection = _opened(handles, number)
            return await connections.upgrade(connection, name, ca, tuple(protocols), _only_hosts(asker))
        case "read", [int(number)]:
            piece = await _opened(handles, number).read()
            return {"upgrading": True} if piece is None else {"data": piece}
        case "write", [int(number), str(data)]:
            await _opened(handles, number).write(_bytes(data))
            return {}
        case "halfClose", [int(number)]:
            _opened(handles, number).half_close()
            return {}
        case "close", [int(number)]:
            handles.close(number)
            return {}
    raise HostError(f"{method}: it is no question about a connection", "TypeError")


async def _connect(asker: Asker, host: str, port: int) -> dict[str, Any]:
    connections = await asker.services.connections()
    opened = asker.handles.all_of(Connection)
    if len(opened) >= OF_A_RUN:
        raise ConnectionFailed(LIMIT, f"more than {OF_A_RUN} connections of one run are open")
    # A server of a name that may be reached tells its address for what it sends apart (PASV, RFC 959 clause 4.1.2).
    known = {connection.address for connection in opened}
    connection = await connections.connect(asker.tenant, host, port, _only_hosts(asker), known)
    return {
        "number": asker.handles.open(connection, Connection.close),
        "remote": [connection.address, connection.port],
        "local": [connection.local_address, connection.local_port],
    }


def _only_hosts(asker: Asker) -> tuple[str, ...] | None:
    return asker.services.worker_hosts if asker.script.kind is Kind.WORKER else None


def _opened(handles: Handles, number: int) -> Connection:
    try:
        return handles.get(number, Connection)
    except HostError as error:
        raise ConnectionFailed("EBADF", "it is closed") from error


def _bytes(data: str) -> bytes:
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HostError("what is written is no base64", "TypeError") from error
    if len(decoded) > WRITTEN_BYTES:
        raise HostError(f"more than {WRITTEN_BYTES} bytes are written at once", "RangeError")
    return decoded


MODULE = HostModule(
    name=CONNECTIONS, javascript=javascript_beside(__file__), answer=_answer, packages=frozenset(("dns", "net"))
)
