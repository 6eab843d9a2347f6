"""The HTTP API as a command asks it: one request at a time, by the standard library, so that it starts at once."""

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from sidecar import __version__
from sidecar.cli.remote.errors import Refusal, ServerError
from sidecar.cli.remote.servers import Server

SECONDS: Final = 60.0
"""Between two bytes of an answer: more than a run may take, and than a stream that has nothing to say is silent."""
ANSWER_BYTES: Final = 200_000_000
"""Of one answer: some hundred thousand rows as CSV."""
LINE_BYTES: Final = 10_000_000
"""Of one line of a stream: a run's result."""
PAGE: Final = 500
TRIES: Final = 4
LONGEST_WAIT: Final = 10.0
"""For a server that says when it can be asked again."""
_AGAIN: Final = (429, 503)
"""Nothing was done, and the server says that it may be asked once more."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server has answered."""

    status: int
    body: bytes
    etag: str
    """As it goes into If-Match; empty for none."""

    @property
    def value(self) -> Any:
        """The body's JSON. Raises ServerError."""
        if not self.body:
            return None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ServerError("what answers there is not ScriptForge: its answer is no JSON") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is for the server that was named, and is taken to no other."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        """None is an error, with where it would have gone."""


class Client:
    """Asks one server for one tenant."""

    def __init__(self, server: Server, tenant: str | None = None) -> None:
        """``tenant``: another one than the token's, which the operator may name."""
        self.server = server
        self.tenant = tenant
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if urlsplit(server.url).hostname in _LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: object) -> Answer:
        """Raises ServerError; Refusal where the answer is an error, as all of these do."""
        return self.ask("GET", path, query=query)

    def put(self, path: str, body: object, *, match: str = "", new: bool = False) -> Answer:
        """``match``: the ETag that was seen, or ``*``; ``new``: only where it is not there."""
        return self.ask("PUT", path, body=body, headers=_condition(match, new))

    def post(self, path: str, body: object = None, *, match: str = "") -> Answer:
        """As `put`."""
        return self.ask("POST", path, body=body, headers=_condition(match, False))

    def delete(self, path: str, *, match: str = "") -> Answer:
        """As `put`."""
        return self.ask("DELETE", path, headers=_condition(match, False))

    def pages(self, path: str, *, cursor: str = "after", most: int | None = None, **query: object) -> Iterator[Any]:
        """The items of a list, page after page; ``cursor``: what ``next`` goes into."""
        given, left = dict(query), most
        while True:
            page = self.get(path, **given, limit=PAGE if left is None else min(left, PAGE)).value
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            if page["next"] is None or left == 0:
                return
            given[cursor] = page["next"]

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask, and once more where the server says when. ``body`` goes as JSON, ``content`` as it is."""
        for attempt in range(1, TRIES + 1):
            try:
                with self._open(method, path, query, body, content, headers or {}) as response:
                    return Answer(response.status, _read(response), response.headers.get("ETag", ""))
            except _Again as again:
                if attempt == TRIES:
                    raise again.refusal from None
                time.sleep(again.seconds)
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error) from error
        raise AssertionError  # the last attempt returns or raises

    def events(
        self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: object = None
    ) -> Iterator[tuple[str, Any]]:
        """What a server tells as it comes: the event's name, empty for one without, and its data. The first one, with
        the name ``open``, comes once the server has begun."""
        try:
            with self._open(method, path, query, body, None, {"Accept": "text/event-stream"}) as response:
                yield "open", None
                yield from _events(response)
        except _Again as again:
            raise again.refusal from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        body: object,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        if self.tenant is not None:
            given["tenant"] = self.tenant
        url = f"{self.server.url}/api/v1{path}" + (f"?{urlencode(given)}" if given else "")
        sent = {"Authorization": f"Bearer {self.server.token}", "User-Agent": f"scriptforge/{__version__}", **headers}
        if body is not None:
            content = msgspec.json.encode(body)
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        # The address was looked at: it is one of http or https.
        request = urllib.request.Request(url, content, sent, method=method)  # noqa: S310
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except ValueError as error:  # a token with a line feed in it
            raise ServerError(f"{self.server.url}: {error}") from None
        return response

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        if error.code < 400:
            return ServerError(
                f"{self.server.url} sends to {error.headers.get('Location', 'elsewhere')}: log in to that address"
            )
        try:
            problem = msgspec.json.decode(error.read(ANSWER_BYTES))
        except (msgspec.DecodeError, UnicodeDecodeError, OSError, http.client.HTTPException):
            problem = None
        refusal = Refusal(error.code, problem if isinstance(problem, dict) else {})
        try:
            seconds = float(error.headers.get("Retry-After", ""))
        except ValueError:
            return refusal
        return _Again(refusal, min(max(seconds, 0.1), LONGEST_WAIT)) if error.code in _AGAIN else refusal

    def _unreachable(self, error: Exception) -> ServerError:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError | socket.timeout):
            return ServerError(f"{self.server.url}: nothing has come for {SECONDS:.0f} s")
        if isinstance(reason, OSError):
            reason = reason.strerror or reason
        return ServerError(f"{self.server.url}: {reason or type(error).__name__}")


class _Again(Exception):
    """The server may be asked once more."""

    def __init__(self, refusal: Refusal, seconds: float) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.seconds = seconds


def _condition(match: str, new: bool) -> dict[str, str]:
    return ({"If-Match": match} if match else {}) | ({"If-None-Match": "*"} if new else {})


def _read(response: http.client.HTTPResponse) -> bytes:
    body = response.read(ANSWER_BYTES + 1)
    if len(body) > ANSWER_BYTES:
        raise ServerError(f"the answer is longer than {ANSWER_BYTES:_} bytes")
    return body


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Events of a stream as the HTML standard (9.2.6) has them, with JSON as their data."""
    name, data = "", b""
    while True:
        line = response.readline(LINE_BYTES + 1)
        if not line:
            return
        if len(line) > LINE_BYTES:
            raise ServerError(f"a line of the stream is longer than {LINE_BYTES:_} bytes")
        field, _, value = line.rstrip(b"\r\n").partition(b":")
        value = value.removeprefix(b" ")
        if not line.strip():
            if data:
                yield name, msgspec.json.decode(data)
            name, data = "", b""
        elif field == b"event":
            name = value.decode()
        elif field == b"data":
            data += value
