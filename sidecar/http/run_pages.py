"""``/run/<uuid>[/<function>]``: scripts run over HTTP by whoever may, and their web sockets."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Protocol

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sidecar.catalog.database.errors import NotThere
from sidecar.catalog.database.tokens import Bearer
from sidecar.hosts.services import Services
from sidecar.hosts.web_socket import WebSocketHost
from sidecar.http import event_stream
from sidecar.http.async_runs import AsyncRunRules, AsyncRuns, again_seconds
from sidecar.http.callers import Tokens, caller_for
from sidecar.http.incoming import BadRequest, data_of, data_of_query
from sidecar.http.live_scripts import LiveScripts, Runnable
from sidecar.http.preferences import Preferences, preferences
from sidecar.http.problems import ApiError, of_storage
from sidecar.http.rates import Rates
from sidecar.http.run_service import BadData, NoSuchFunction, RunService, ScriptRun
from sidecar.kind import MAIN, RULES
from sidecar.queue.job import Job
from sidecar.runs.answers import NOT_FOUND, Answer, content_of
from sidecar.storage.errors import StorageError

PATHS: Final = ("/run", "/api/script", "/api/portal/scriptforge")
"""The first, and what older pages call it."""
METHODS: Final = ("GET", "POST")
HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
TIDY_SECONDS: Final = 5.0
"""What a script has once its web socket is closed."""
CLOSED_NORMALLY: Final = 1000
SCRIPT_FAILED: Final = 1011


class Running(Protocol):
    """What of the platform these pages need."""

    @property
    def scripts(self) -> LiveScripts: ...

    @property
    def runs(self) -> RunService: ...

    @property
    def tokens(self) -> Tokens: ...

    @property
    def rates(self) -> Rates: ...

    @property
    def services(self) -> Services: ...

    @property
    def async_runs(self) -> AsyncRunRules: ...


class RunError(Exception):
    """An answer in place of a run's."""

    def __init__(self, status: int, error: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.headers = headers or {}


def routes(running: Running) -> list[BaseRoute]:
    """Their routes."""
    pages = RunPages(running)
    found: list[BaseRoute] = []
    for path in PATHS:
        for rest in ("/{uuid}", "/{uuid}/{function}"):
            found.append(Route(path + rest, pages.run, methods=list(METHODS)))
            found.append(WebSocketRoute(path + rest, pages.web_socket))
        found.append(Route(path + "/{uuid}/jobs/{address}", pages.job, methods=["GET", "DELETE"]))
        found.append(Route(path + "/{uuid}/jobs/{address}/result", pages.result, methods=["GET"]))
    return found


class RunPages:
    """Answers them."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._async_runs = AsyncRuns(running.services, running.async_runs)

    async def run(self, request: Request) -> Response:
        """Run a function, and answer with what came of it."""
        try:
            runnable, bearer = await self._allowed(request)
            data = await data_of(request) | said_of(bearer)
            preferred = preferences(request.headers.getlist("prefer"))
            if preferred.respond_async:
                return await self._begin_async(runnable, request, data, bearer, preferred)
            run, _ = self._begin(runnable, request, data, bearer)
        except RunError as error:
            return _error(error.status, error.error, error.headers)
        except BadRequest as error:
            return _error(error.status, str(error))
        if event_stream.wants_events(request.headers.get("accept", "")):
            headers = {**HEADERS, **event_stream.HEADERS}
            return StreamingResponse(event_stream.events_of(run), media_type=event_stream.MEDIA_TYPE, headers=headers)
        return _answer(await answered(run, request.receive))

    async def job(self, request: Request) -> Response:
        """Tell of a run that was not waited for, or cancel it."""
        try:
            job = await self._found(request)
            if request.method == "DELETE":
                await self._async_runs.cancel(job)
                return Response(status_code=HTTPStatus.NO_CONTENT, headers=HEADERS)
            return await self._shown(job, HTTPStatus.OK)
        except RunError as error:
            return _error(error.status, error.error, error.headers)
        except ApiError as error:
            return _error(error.status, str(error), error.headers)

    async def result(self, request: Request) -> Response:
        """Answer as such a run would have been answered, once it is over."""
        try:
            job = await self._found(request)
            if not job.is_over:
                return await self._shown(job, HTTPStatus.ACCEPTED)
            return _answer(await self._async_runs.answer(job))
        except RunError as error:
            return _error(error.status, error.error, error.headers)
        except ApiError as error:
            return _error(error.status, str(error), error.headers)

    async def _found(self, request: Request) -> Job:
        """The run at an address below a script, for whoever may run that. Raises RunError, ApiError."""
        runnable, _ = await self._allowed(request)
        return await self._async_runs.find(runnable.script, request.path_params["address"])

    async def _shown(self, job: Job, status: HTTPStatus, headers: dict[str, str] | None = None) -> Response:
        headers = {**HEADERS, **(headers or {})}
        if not job.is_over:
            headers["Retry-After"] = str(again_seconds(job))
        body = await self._async_runs.shown(job)
        return Response(body, status, media_type="application/json", headers=headers)

    async def _begin_async(
        self,
        runnable: Runnable,
        request: Request,
        data: dict[str, Any],
        bearer: Bearer | None,
        preferred: Preferences,
    ) -> Response:
        """Keep a run, and answer with where it is; or with what came of it, where it is over soon enough for whoever
        asked. Raises RunError."""
        script = runnable.script
        entry = request.path_params.get("function", MAIN)
        if entry not in script.entries:
            raise _no_such_function(runnable, bearer)
        preferred = self._running.async_runs.applied(preferred, is_known=bearer is not None)
        try:
            job, address = await self._async_runs.add(script, entry, data, source_of(request), preferred)
            applied = {"Preference-Applied": preferred.applied(), "Vary": "Prefer"}
            if preferred.wait_seconds:
                job = await self._async_runs.waited(job, preferred.wait_seconds)
                if job.is_over:
                    return _answer(await self._async_runs.answer(job), applied)
            path = request.scope["path"].split("/" + request.path_params["uuid"])[0]
            applied["Location"] = f"{path}/{script.uuid}/jobs/{address}"
            return await self._shown(job, HTTPStatus.ACCEPTED, applied)
        except ApiError as error:
            raise RunError(error.status, str(error), error.headers) from None

    async def web_socket(self, socket: WebSocket) -> None:
        """Run a function beside a web socket, which ends with it."""
        try:
            runnable, bearer = await self._allowed(socket)
            data = data_of_query(socket.scope["query_string"]) | said_of(bearer)
            run, host = self._begin(runnable, socket, data, bearer, web_socket=True)
        except RunError as error:
            await socket.send_denial_response(_error(error.status, error.error, error.headers))
            return
        except BadRequest as error:
            await socket.send_denial_response(_error(error.status, str(error)))
            return
        assert host is not None  # noqa: S101 - asked for above
        try:
            await socket.accept()
            await _converse(socket, run, host)
        finally:
            run.cancel()

    async def _allowed(self, connection: HTTPConnection) -> tuple[Runnable, Bearer | None]:
        """The script that is asked for, if whoever asks may run it, and who that is where a token says so. Raises
        RunError."""
        running, source = self._running, source_of(connection)
        bearer = None
        header = connection.headers.get("authorization")
        try:
            if header is None:
                running.rates.count("public", source)
            runnable = running.scripts.by_uuid(_usual(connection.path_params["uuid"]))
            if header is None:
                if runnable is None or not runnable.public or not RULES[runnable.script.kind].has_assignments:
                    raise _not_for_strangers(connection)
            else:
                try:
                    bearer = await running.tokens.bearer(header)
                except ApiError:
                    running.rates.count("failed", source)
                    raise
                running.rates.count("requests", f"token {bearer.token}")
                if runnable is not None and not runnable.public:
                    try:
                        caller_for(bearer, runnable.script.tenant, source).require("run")
                    except NotThere:
                        runnable = None
        except ApiError as error:
            raise RunError(error.status, str(error), error.headers) from None
        except StorageError as error:
            refused = of_storage(error)
            raise RunError(refused.status, str(refused), refused.headers) from None
        if runnable is None or not RULES[runnable.script.kind].has_assignments:
            raise RunError(404, NOT_FOUND["error"])
        return runnable, bearer

    def _begin(
        self,
        runnable: Runnable,
        connection: HTTPConnection,
        data: dict[str, Any],
        bearer: Bearer | None,
        *,
        web_socket: bool = False,
    ) -> tuple[ScriptRun, WebSocketHost | None]:
        entry = connection.path_params.get("function", MAIN)
        try:
            return self._running.runs.begin(runnable.script, entry, data, source_of(connection), socket=web_socket)
        except NoSuchFunction:
            raise _no_such_function(runnable, bearer) from None
        except BadData as error:
            raise RunError(400, str(error)) from None
        except ApiError as error:
            raise RunError(error.status, str(error), error.headers) from None


def _no_such_function(runnable: Runnable, bearer: Bearer | None) -> RunError:
    """A stranger is told the same as of a uuid that there is not."""
    is_known = bearer is not None and bearer.tenant == runnable.script.tenant
    names = ", ".join(sorted(runnable.script.entries)) or "none"
    return RunError(404, NOT_FOUND["error"] + (f"; there are {names}" if is_known else ""))


def _not_for_strangers(connection: HTTPConnection) -> RunError:
    """The answer where there is no script and where there is one that wants a token, which nobody is to learn by
    trying. That a token may change it is said of both (RFC 9110, 11.6.1)."""
    headers = {"WWW-Authenticate": "Bearer"}
    if connection.scope["type"] == "websocket":
        return RunError(401, "Unauthorized", headers)
    return RunError(404, NOT_FOUND["error"], headers)


def said_of(bearer: Bearer | None) -> dict[str, Any]:
    """What a script is told of whoever asked, which no stranger can send; of somebody without a token nothing."""
    if bearer is None:
        return {}
    return {
        "_company": {"company_id": bearer.tenant, "name": bearer.tenant},
        "_user": {"id": bearer.token, "username": bearer.name, "email": None},
    }


async def answered(run: ScriptRun, receive: Callable[[], Awaitable[Any]]) -> Answer:
    """What came of a run; where whoever asked goes away meanwhile it is cancelled."""
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((run.answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not run.answer.done():
            run.cancel()
        return await run.answer
    finally:
        run.cancel()
        gone.cancel()


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _converse(socket: WebSocket, run: ScriptRun, host: WebSocketHost) -> None:
    """Both ways at once, until the script has ended or the peer has gone and the script with it."""

    async def incoming() -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                text = message.get("text")
                await host.frame(text if text is not None else (message.get("bytes") or b"").decode("utf-8", "replace"))
        host.close()

    async def outgoing() -> None:
        while (sent := await host.next_text()) is not None:
            text, call = sent
            await socket.send_text(text)
            call.resolve(None)

    tasks = [asyncio.ensure_future(incoming()), asyncio.ensure_future(outgoing())]
    try:
        await asyncio.wait((run.answer, tasks[0]), return_when=asyncio.FIRST_COMPLETED)
        # The peer has gone: the script has been told, and may tidy up.
        await asyncio.wait((run.answer,), timeout=TIDY_SECONDS)
        run.cancel()
        await run.answer
        # What the script has sent last is on its way yet.
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            async with asyncio.timeout(1.0):
                await tasks[1]
            answer = run.answer.result()
            if answer.failed:
                await socket.close(SCRIPT_FAILED, _reason(answer.error))
            else:
                await socket.close(CLOSED_NORMALLY)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _answer(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    headers = {**HEADERS, **(headers or {})}
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    body, media_type = content_of(answer)
    return Response(body, answer.status, media_type=media_type, headers=headers)


def _reason(text: str) -> str:
    """RFC 6455 5.5: a close frame has 125 bytes, two of which are the code."""
    return text.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")


def source_of(connection: HTTPConnection) -> str:
    """The address that a request comes from, as a trusted proxy says it."""
    return connection.client.host if connection.client is not None else "unix socket"


def _usual(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def _error(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    content = msgspec.json.encode({"error": error, "name": "Error"})
    return Response(content, status, media_type="application/json", headers={**HEADERS, **(headers or {})})
