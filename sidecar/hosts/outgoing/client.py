"""The HTTP client of scripts: every connection passes the policy, at each redirect anew, and everything is bounded."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from sidecar.hosts.outgoing.address import parse_url
from sidecar.hosts.outgoing.certificates import trusted
from sidecar.hosts.outgoing.exchange import OURS, TOKEN, TUNNELS, IncomingResponse, OutgoingFailed, OutgoingRequest
from sidecar.hosts.outgoing.policy import OutgoingRefused, names_host
from sidecar.hosts.outgoing.redirects import REDIRECTS, redirected
from sidecar.hosts.outgoing.settings import OutgoingSettings
from sidecar.hosts.outgoing.unpacking import content_of
from sipio.gated_resolver import GatedResolver

_PIECE: Final = 65_536
_PACKED_MORE: Final = 16_384
"""By which an answer that cannot be packed is longer as gzip: 5 bytes a block, and those of some hundred members."""
_REASON_CHARACTERS: Final = 200
_HEADERS: Final = 100
"""Of a response; aiohttp bounds the length of each to 8 KB."""


class OutgoingClient:
    """Sends what scripts ask for. Lives on one event loop."""

    def __init__(self, settings: OutgoingSettings) -> None:
        """Reads the file of ``settings.tls_ca``, where there is one. Raises ConfigurationError."""
        self._settings: Final = settings
        self._under_way: Counter[str] = Counter()
        self._session: Final = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=GatedResolver(settings.policy.allows_address),
                limit=0,
                use_dns_cache=False,
                ssl=trusted(settings.tls_ca) if settings.tls_ca is not None else True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            requote_redirect_url=False,
            # No proxy and no password of the daemon's own surroundings.
            trust_env=False,
        )

    async def close(self) -> None:
        """End every request."""
        await self._session.close()

    async def request(self, tenant: str, request: OutgoingRequest) -> IncomingResponse:
        """Send a request, for a tenant that has so many at once, and read its answer whole.

        Raises OutgoingFailed.
        """
        settings = self._settings
        if len(request.body) > settings.request_bytes:
            raise OutgoingFailed(f"the body has {len(request.body)} bytes, of {settings.request_bytes}")
        if self._under_way.total() >= settings.at_once:
            raise OutgoingFailed("too many requests of scripts are under way")
        if self._under_way[tenant] >= settings.at_once_per_tenant:
            raise OutgoingFailed(f"more than {settings.at_once_per_tenant} requests at once (await them)")
        self._under_way[tenant] += 1
        try:
            async with asyncio.timeout(settings.timeout_seconds):
                return await self._follow(request)
        except TimeoutError as error:
            raise OutgoingFailed(f"{_shown(request.url)} took over {settings.timeout_seconds:g} s") from error
        except (OutgoingRefused, aiohttp.ClientError, OSError, ValueError) as error:
            raise OutgoingFailed(f"{_shown(request.url)}: {_cause(error)}") from error
        finally:
            self._under_way[tenant] -= 1
            if not self._under_way[tenant]:
                del self._under_way[tenant]

    async def _follow(self, request: OutgoingRequest) -> IncomingResponse:
        first = request.url
        for _ in range(self._settings.redirects + 1):
            async with self._send(request) as response:
                location = response.headers.get("Location")
                if not request.follows or response.status not in REDIRECTS or location is None:
                    return await self._read(response, redirected=request.url != first)
                request = redirected(request, response.status, location)
        raise OutgoingFailed(f"{_shown(first)} redirects more than {self._settings.redirects} times")

    @asynccontextmanager
    async def _send(self, request: OutgoingRequest) -> AsyncIterator[aiohttp.ClientResponse]:
        # What is checked is what the client connects to: the same URL, taken apart by the same parser.
        url = parse_url(request.url)
        self._settings.policy.check_host(url.scheme, url.raw_host or "", url.explicit_port)
        if request.only_hosts is not None and not names_host(request.only_hosts, url.raw_host or ""):
            raise OutgoingRefused(f"{url.raw_host} is not among the hosts that Workers may reach")
        if request.method.upper() in TUNNELS:
            raise OutgoingRefused(f"{request.method} is not a method for a request of a script")
        for token in (request.method, *(name for name, _ in request.headers)):
            if TOKEN.fullmatch(token) is None:
                raise OutgoingRefused(f"{token[:40]!r} is neither a method nor the name of a header")
        headers = [(name, value) for name, value in request.headers if name.lower() not in OURS]
        if not any(name.lower() == "user-agent" for name, _ in headers):
            headers.append(("User-Agent", "ScriptForge-Sidecar"))
        headers.append(("Accept-Encoding", "gzip"))
        async with self._session.request(
            request.method,
            url,
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
        ) as response:
            yield response

    async def _read(self, response: aiohttp.ClientResponse, *, redirected: bool) -> IncomingResponse:
        headers = [(str(name), value) for name, value in response.headers.items()][:_HEADERS]  # names are istr
        body = await self._body(response)
        return IncomingResponse(
            url=str(response.url),
            status=response.status,
            reason=(response.reason or "")[:_REASON_CHARACTERS],
            headers=headers,
            body=body,
            redirected=redirected,
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        most = self._settings.response_bytes
        content = content_of(response.headers.getall("Content-Encoding", ()))
        came = 0
        body = bytearray()
        async for piece in response.content.iter_chunked(_PIECE):
            came += len(piece)
            body += content.feed(piece, most + 1 - len(body))
            # What is packed may say nothing, for as long as it likes.
            if len(body) > most or came > most + _PACKED_MORE:
                raise OutgoingFailed(f"{_shown(str(response.url))} answers more than {most} bytes")
        if came:
            content.finish()
        return bytes(body)


def _shown(url: str) -> str:
    """A URL as it may be shown: cut, and without its query, which may hold secrets."""
    return url.partition("?")[0].partition("#")[0][:200]


def _cause(error: BaseException) -> str:
    """What went wrong, without addresses that a name has: they would tell what lies behind it."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PermissionError):
        return error.os_error.strerror or "it may not be connected to"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not right: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {os.strerror(error.os_error.errno or 0)}"
    return str(error)[:300] or type(error).__name__
