"""A server on loopback that says to each path what no well-behaved one would, byte by byte as it is written here."""

import asyncio
import contextlib
import gzip
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\n"


@dataclass
class Request:
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int


Answer = Callable[["Peer", Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Whether the connection goes on."""


@dataclass
class Peer:
    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await self._request(reader, writer, number)
                self.requests.append(request)
                if not await ANSWERS[request.path.partition("?")[0]](self, request, reader, writer):
                    break
                await writer.drain()
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head[:-4].split("\r\n")
        method, path, _ = line.split(" ")
        headers = [(name, value) for name, _, value in (one.partition(": ") for one in lines)]
        named = {name.lower(): value for name, value in headers}
        if named.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        body = b""
        if named.get("transfer-encoding") == "chunked":
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
        elif "content-length" in named:
            body = await reader.readexactly(int(named["content-length"]))
        return Request(method, path, headers, body, number)


def _says(*pieces: bytes, goes_on: bool = False) -> Answer:
    async def answer(_: Peer, __: Request, ___: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            # So that each comes by itself, as those of a slow network do.
            await asyncio.sleep(0.002)
        return goes_on

    return answer


def _whole(body: bytes, *headers: str, status: bytes = b"200 OK") -> Answer:
    lines = "".join(f"{header}\r\n" for header in headers).encode()
    return _says(
        b"HTTP/1.1 " + status + b"\r\n" + lines + f"Content-Length: {len(body)}\r\n\r\n".encode() + body, goes_on=True
    )


async def _echo(_: Peer, request: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    headers = [[name, value if name.lower() != "host" else "HOST"] for name, value in request.headers]
    told = {
        "method": request.method,
        "path": request.path,
        "headers": headers,
        "body": request.body.decode("latin-1"),
        "connection": request.connection,
    }
    body = json.dumps(told).encode()
    writer.write(OK + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return True


async def _waits(_: Peer, __: Request, reader: asyncio.StreamReader, ___: asyncio.StreamWriter) -> bool:
    await reader.read()
    return False


async def _begins_and_waits(_: Peer, __: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(OK + b"Content-Length: 100\r\n\r\nbegun")
    await reader.read()
    return False


async def _resets(_: Peer, __: Request, ___: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    taken = writer.get_extra_info("socket")
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return False


async def _endless(_: Peer, __: Request, ___: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(OK + b"Content-Length: 10000000000\r\n\r\n")
    while True:
        writer.write(bytes(65_536))
        await writer.drain()


async def _endless_headers(_: Peer, __: Request, ___: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(OK)
    while True:
        writer.write(b"X-Header: " + b"x" * 1_000 + b"\r\n")
        await writer.drain()


async def _upgrades(_: Peer, __: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nfirst")
    while data := await reader.read(1_000):
        writer.write(data.upper())
        await writer.drain()
    return False


async def _cookies(_: Peer, request: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    had = {name.lower(): value for name, value in request.headers}.get("cookie", "")
    body = had.encode()
    writer.write(
        b"HTTP/1.1 302 Found\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\nLocation: /echo-cookie\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return True


async def _echo_cookie(_: Peer, request: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    body = {name.lower(): value for name, value in request.headers}.get("cookie", "").encode()
    writer.write(OK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return True


CHUNKED = OK + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
ANSWERS: dict[str, Answer] = {
    "/echo": _echo,
    "/echo-cookie": _echo_cookie,
    "/cookies": _cookies,
    "/json": _whole(b'{"name":"Zo\xc3\xab"}', "Content-Type: application/json"),
    "/error": _whole(b'{"error":"no"}', "Content-Type: application/json", status=b"422 Unprocessable"),
    "/empty": _says(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", goes_on=True),
    "/unchanged": _says(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", goes_on=True),
    "/chunked": _says(CHUNKED, b"5\r\nhel", b"lo\r\n6;a=b\r\n world", b"\r\n0\r\nX-Sum: 11\r\n\r\n", goes_on=True),
    "/packed": _whole(gzip.compress(b"packed " * 1_000), "Content-Encoding: gzip", "Content-Type: text/plain"),
    "/until-end": _says(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil", b" the end"),
    "/headers": _whole(
        b"",
        *(
            "Set-Cookie: a=1",
            "set-cookie: b=2",
            "X-Many: 1",
            "x-many: 2",
            "Content-Type: text/a",
            "Content-Type: text/b",
        ),
        *("X-Bytes: caf\xe9", "Empty:", "__proto__: x"),
    ),
    "/redirect": _whole(b"moved", "Location: /json", status=b"302 Found"),
    "/redirect-post": _whole(b"moved", "Location: /echo", status=b"303 See Other"),
    "/redirect-same": _whole(b"moved", "Location: /echo", status=b"307 Temporary Redirect"),
    "/redirect-endless": _whole(b"", "Location: /redirect-endless", status=b"302 Found"),
    "/redirect-private": _whole(b"", "Location: http://127.0.0.2:9/", status=b"302 Found"),
    "/waits": _waits,
    "/begins": _begins_and_waits,
    "/resets": _resets,
    "/leaves": _says(),
    "/leaves-within": _says(OK + b"Content-Length: 100\r\n\r\n0123456789"),
    "/leaves-within-chunks": _says(CHUNKED + b"5\r\nhello\r\n"),
    "/leaves-within-head": _says(OK + b"Content-Le"),
    "/endless": _endless,
    "/endless-headers": _endless_headers,
    "/large-header": _says(OK + b"X: " + b"x" * 20_000 + b"\r\n\r\n"),
    "/no-http": _says(b"220 ready\r\n"),
    "/bad-version": _says(b"HTTP/7.3 200 OK\r\n\r\n"),
    "/bad-status": _says(b"HTTP/1.1 2x0 OK\r\n\r\n"),
    "/bad-header": _says(OK + b"X Y: z\r\n\r\n"),
    "/bad-chunk": _says(CHUNKED + b"5\r\nhello\r\nzz\r\n"),
    "/bad-length": _says(OK + b"Content-Length: 5x\r\n\r\nhello"),
    "/two-lengths": _says(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    "/two-framings": _says(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "/split": _says(OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", goes_on=True),
    "/upgrade": _upgrades,
}


@asynccontextmanager
async def plain_peer(tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """It listens on 127.0.0.1."""
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
