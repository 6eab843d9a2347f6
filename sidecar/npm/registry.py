"""The registry as it is asked over HTTP: what there is of a package, archives, and what is known against versions.

By the standard library, whose proxies and authorities are those of the environment: ``https_proxy``, ``no_proxy``,
``SSL_CERT_FILE``. Requests block; several are under way at once, in threads.
"""

import hashlib
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from sidecar import __version__
from sidecar.npm.errors import IntegrityError, LockError, RegistryError, UnknownPackage
from sidecar.npm.lock import Locked, sha512_of
from sidecar.npm.packument import Packument, read_packument

PUBLIC: Final = "https://registry.npmjs.org"
ARCHIVE_BYTES: Final = 64_000_000
"""Of a package's archive; esbuild's has 5,000,000, TypeScript's 4,000,000."""
PACKUMENT_BYTES: Final = 64_000_000
"""Of what is said of a package; of ``@types/node``, with 2,000 releases, it is 3,000,000."""
ADVISORIES_PATH: Final = "/-/npm/v1/security/advisories/bulk"
ADVISORIES_BYTES: Final = 16_000_000
AT_ONCE: Final = 8
"""Requests under way: what npm's own client has, by half."""
REDIRECTS: Final = 5
TRIES: Final = 3
"""Of a request that the network or the registry has lost."""
WAITS: Final = (0.5, 2.0)
"""Before the second and the third try, in seconds."""
SILENCE_SECONDS: Final = 30.0
"""Between two bytes."""
WHOLE_SECONDS: Final = 600.0
"""For one answer, however steadily it comes."""

_PIECE: Final = 65_536
_LOST: Final = frozenset({429, 500, 502, 503, 504})
_NOT_THERE: Final = frozenset({404, 410})
_NOT_DONE: Final = _NOT_THERE | {405, 501}
_ABBREVIATED: Final = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"
"""Without texts for people, as https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md has it."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to HTTP and HTTPS alone, and from HTTPS to nothing else."""

    max_redirections = REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in {"http", "https"} or (scheme == "http" and urlsplit(req.full_url).scheme == "https"):
            raise RegistryError(f"{req.full_url}: redirects to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Registry:
    """One registry, or a mirror of it."""

    def __init__(self, url: str = PUBLIC) -> None:
        self.url = url.rstrip("/")
        # One for all connections: the authorities are 140 certificates, which take 50 ms to read.
        encrypted = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(_Redirects(), encrypted)

    def packuments(self, names: Iterable[str]) -> Mapping[str, Packument]:
        """What there is of each package. Raises RegistryError and UnknownPackage, as the others of these."""
        ordered = sorted(names)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            try:
                return dict(zip(ordered, threads.map(self._packument, ordered), strict=True))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def archives(self, packages: Iterable[Locked]) -> Iterator[bytes]:
        """The archive of each package, in their order, each with the SHA-512 that the lock file has; IntegrityError
        where it has another one. They are fetched ahead while the caller works."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            ahead: deque[Future[bytes]] = deque()
            try:
                for one in packages:
                    ahead.append(threads.submit(self._archive, one))
                    if len(ahead) > 2 * AT_ONCE:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def advisories(self, versions: Mapping[str, Iterable[str]]) -> Mapping[str, list[dict[str, Any]]]:
        """What is known against these versions of packages, by name: https://api-docs.npmjs.com, bulk advisories."""
        body = msgspec.json.encode({name: sorted(found) for name, found in versions.items()})
        try:
            content = self._fetch(f"{self.url}{ADVISORIES_PATH}", ADVISORIES_BYTES, body=body)
        except _Answered as error:
            if error.status not in _NOT_DONE:
                raise
            instead = f"; npm's own does: --registry {PUBLIC}" if self.url != PUBLIC else ""
            raise RegistryError(
                f"{self.url}: does not say what is known against packages: it answers {ADVISORIES_PATH} with"
                f" {error.answer}, as mirrors do{instead}. Nothing was looked at"
            ) from None
        try:
            return msgspec.json.decode(content, type=dict[str, list[dict[str, Any]]])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryError(f"{self.url}: its answer about advisories is none: {error}") from None

    def _packument(self, name: str) -> Packument:
        try:
            content = self._fetch(f"{self.url}/{quote(name, safe='@')}", PACKUMENT_BYTES, accept=_ABBREVIATED)
        except _Answered as error:
            if error.status not in _NOT_THERE:
                raise
            raise UnknownPackage(f"{name}: {self.url} has no package of this name") from None
        return read_packument(name, content)

    def _archive(self, package: Locked) -> bytes:
        url = package.resolved
        # A mirror has under its own address what the lock file has under the registry's.
        if url.startswith(f"{PUBLIC}/"):
            url = self.url + url.removeprefix(PUBLIC)
        if urlsplit(url).scheme not in {"http", "https"}:
            raise LockError(f"{url}: is no address of a registry's archive")
        try:
            content = self._fetch(url, ARCHIVE_BYTES)
        except _Answered as error:
            if error.status not in _NOT_THERE:
                raise
            raise RegistryError(f"{url}: is not there") from None
        if hashlib.sha512(content).digest() != sha512_of(package.integrity):
            raise IntegrityError(f"{url}: its SHA-512 is not {package.integrity}: it was changed, here or on the way")
        return content

    def _fetch(self, url: str, most: int, *, accept: str = "*/*", body: bytes | None = None) -> bytes:
        headers = {"User-Agent": f"scriptforge/{__version__}", "Accept": accept, "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - its scheme is looked at
        for wait in (*WAITS, None):
            try:
                with self._opener.open(request, timeout=SILENCE_SECONDS) as response:
                    return _read(url, response, most)
            except urllib.error.HTTPError as error:
                with error:
                    refused = _refusal(url, error)
                if wait is None or error.code not in _LOST:
                    raise refused from None
            except (OSError, http.client.HTTPException) as error:
                if wait is None or not _may_pass(error):
                    raise RegistryError(_unreachable(url, error)) from None
            time.sleep(wait)
        raise AssertionError  # the last try returns or raises


class _Answered(RegistryError):
    """By a status that is no success."""

    def __init__(self, url: str, error: urllib.error.HTTPError, hint: str = "") -> None:
        self.status = error.code
        self.answer = f"{error.code} {error.reason}"
        super().__init__(f"{url}: answers with {self.answer}{hint}")


def _refusal(url: str, error: urllib.error.HTTPError) -> RegistryError:
    if error.code in {301, 302, 303, 307, 308}:
        to = error.headers.get("Location", "")
        if urlsplit(urljoin(url, to)).scheme not in {"http", "https"}:
            return RegistryError(f"{url}: redirects to {to}, which is not followed")
        return RegistryError(f"{url}: redirects more than {REDIRECTS} times")
    hint = ", a proxy wants a login: it stands in https_proxy" if error.code == 407 else ""
    return _Answered(url, error, hint)


def _may_pass(error: Exception) -> bool:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return not isinstance(reason, ssl.SSLCertVerificationError | socket.gaierror | ConnectionRefusedError)


def _unreachable(url: str, error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    words = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason) or repr(reason)
    return (
        f"{url}: cannot be fetched: {words}. Behind a proxy set https_proxy; a machine without internet takes"
        " `scriptforge modules load FILE`"
    )


def _read(url: str, response: Any, most: int) -> bytes:
    """The body, unpacked where it is packed. Raises RegistryError for one of more than ``most`` bytes or no end."""
    deadline = time.monotonic() + WHOLE_SECONDS
    packed = response.headers.get("Content-Encoding", "").lower() == "gzip"
    unpacker = zlib.decompressobj(wbits=31) if packed else None
    content = bytearray()
    while piece := response.read(_PIECE):
        try:
            content += unpacker.decompress(piece, most + 1 - len(content)) if unpacker else piece
        except zlib.error as error:
            raise RegistryError(f"{url}: its answer is not the gzip that it says it is: {error}") from None
        if len(content) > most:
            raise RegistryError(f"{url}: has more than {most} bytes")
        if time.monotonic() > deadline:
            raise RegistryError(f"{url}: is not at its end after {WHOLE_SECONDS:g} s")
    whole = response.headers.get("Content-Length")
    # http.client ends quietly where a connection does within a body that is read in pieces.
    if whole is not None and whole.isdigit() and response.length:
        raise http.client.IncompleteRead(b"", response.length)
    if unpacker and not unpacker.eof:
        raise http.client.IncompleteRead(b"")
    return bytes(content)
