"""What every request passes before a route sees it: its size, its token, how often it may come."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar.hosts.json_size import VALUES, JsonValues
from sidecar.http.callers import Tokens
from sidecar.http.problems import ApiError, of_storage
from sidecar.http.rates import Rates
from sidecar.http.run_pages import PATHS as RUN_PATHS
from sidecar.http.run_pages import source_of
from sidecar.logs.logger import ActionLogger
from sidecar.storage.errors import StorageError

_log = ActionLogger(__name__)

API: Final = "/api/v1"
OPEN: Final = frozenset({f"{API}/openapi.json"})
"""Below it what needs no token."""
BEARER: Final = "scriptforge.bearer"
"""Under which a scope has whose token it is."""
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Nothing of this is a page: what a script returns is never taken for one."""


class _TooLong(Exception):
    pass


class BodyLimit:
    """Refuses bodies that are too long, by their announced length or once they are, that take too long to come, or that
    have more values than may be read in one go."""

    def __init__(self, app: ASGIApp, most: int, seconds: float) -> None:
        self._app = app
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        error = ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {self._most:_} bytes", kind="too-long"
        )
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._most:
            await error.response()(scope, receive, send)
            return
        length, begun, is_there = 0, False, False
        values = JsonValues() if _is_json(scope) else None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds

        async def counted() -> Message:
            nonlocal length, error, is_there
            if is_there:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                length = self._most + 1
                error = ApiError(HTTPStatus.REQUEST_TIMEOUT, "the body has not come", kind="too-slow")
                raise _TooLong from None
            length += len(message.get("body", b""))
            is_there = not message.get("more_body", False)
            if length > self._most:
                raise _TooLong
            if values is not None and await values.take(message.get("body", b"")):
                length = self._most + 1
                detail = f"the body has more than {VALUES:_} values"
                error = ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, kind="too-long")
                raise _TooLong
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            # What reads the body may take our error for another one, and answer that.
            if begun or length <= self._most:
                begun = True
                await send(message)

        with contextlib.suppress(_TooLong):
            await self._app(scope, counted, noted)
        if length > self._most and not begun:
            await error.response()(scope, receive, send)


def _is_json(scope: Scope) -> bool:
    """Whether a body is read as JSON, if it is read at all."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("", "text/plain"):
        return _path(scope).startswith(tuple(f"{path}/" for path in RUN_PATHS))
    return kind == "application/json" or kind.endswith("+json")


class SecurityHeaders:
    """Adds what every response has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""

        async def secured(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = message.setdefault("headers", [])
                there = {bytes(name).lower() for name, _ in headers}
                headers += [one for one in SECURITY_HEADERS if one[0] not in there]
            await send(message)

        await self._app(scope, receive, secured)


class Gate:
    """Asks for a token below /api/v1, in one place: no route is there without."""

    def __init__(self, app: ASGIApp, tokens: Tokens, rates: Rates) -> None:
        self._app = app
        self._tokens = tokens
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http" and _needs_token(scope):
            try:
                await self._let_in(HTTPConnection(scope), scope)
                _require_utf8(scope)
            except ApiError as error:
                await error.response()(scope, receive, send)
                return
            except StorageError as error:
                await of_storage(error).response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _let_in(self, connection: HTTPConnection, scope: Scope) -> None:
        source = source_of(connection)
        header = connection.headers.get("authorization")
        try:
            bearer = await self._tokens.bearer(header)
        except ApiError:
            self._rates.count("failed" if header is not None else "requests", source)
            raise
        self._rates.count("requests", f"token {bearer.token}")
        scope[BEARER] = bearer


class Failures:
    """Answers what no route has caught: a bug of ours, logged with its traceback and told without."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:  # noqa: BLE001 - logged
            _log.exception("request_failed", method=scope.get("method", ""), path=_path(scope))
            if scope["type"] == "http" and not begun:
                error = ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed; see the platform's log")
                await error.response()(scope, receive, send)


def _require_utf8(scope: Scope) -> None:
    """Raise ApiError for a path whose bytes are no text: two of them would name the same key, or row."""
    try:
        unquote_to_bytes(scope.get("raw_path") or b"").decode()
    except UnicodeDecodeError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "the path is not UTF-8", kind="bad-path") from None


def _needs_token(scope: Scope) -> bool:
    path = _path(scope)
    return path not in OPEN and (path == API or path.startswith(f"{API}/"))


def _path(scope: Scope) -> str:
    path: Any = scope.get("path", "")
    return str(path)
