"""The application: routes, and what every request passes on its way to them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidecar import __version__
from sidecar.configuration.tree import PlatformSection
from sidecar.http import problems, run_pages
from sidecar.http.asking import Platform
from sidecar.http.gate import API, BodyLimit, Failures, Gate, SecurityHeaders
from sidecar.http.request_counts import RequestCounts
from sidecar.http.routes import (
    app_scripts,
    apps,
    assignments,
    audit,
    calls,
    jobs,
    kv,
    limits,
    module_grants,
    nodes,
    numbers,
    providers,
    rows,
    runs,
    schedules,
    scripts,
    tenants,
    tokens,
    webhooks,
    workers,
)
from sidecar.http.shapes import Problem
from sidecar.operations.metrics_page import Health

DESCRIPTION: Final = (
    "Scripts, what they run on, and what became of them. Every request has a token: `Authorization: Bearer sf_...`."
    " Errors are `application/problem+json`. What is changed has an ETag: send it as `If-Match`, so that nobody"
    " overwrites what they have not seen; a PUT that changes nothing needs none."
)
_PAGES: Final = tuple(f"{path}/" for path in run_pages.PATHS)
_NOWHERE: Final = f"{API}/nowhere"
_ERRORS: Final = {
    400: "The request cannot be read.",
    401: "No token, or one that is no good.",
    403: "The token may not.",
    404: "There is no such thing, or it is another tenant's.",
    409: "Something else is in the way.",
    412: "It is not what If-Match says.",
    413: "The body is too long.",
    422: "Values that are not what they must be.",
    428: "If-Match is missing.",
    429: "Too often, see Retry-After.",
    502: "A Driver, or the carrier that it asks, has failed.",
    503: "The database cannot be asked, or the workers are busy; see Retry-After.",
    504: "A Driver has not answered in its time.",
    507: "There is no room.",
}


def make_app(
    app: FastAPI, platform: Platform, section: PlatformSection, health: Callable[[], Health], counts: RequestCounts
) -> ASGIApp:
    """Everything that is served over HTTP; ``app`` are the routes that are described."""
    app.state.platform = platform

    async def health_page(_request: Request) -> Response:
        found = health()
        body = msgspec.json.encode({"healthy": found.healthy, "state": found.state if found.healthy else "unhealthy"})
        return Response(body, 200 if found.healthy else 503, media_type="application/json")

    app.add_route("/health", health_page, methods=["GET"], include_in_schema=False)
    pages = Router(run_pages.routes(platform), redirect_slashes=False)
    wrapped: ASGIApp = _Split(pages, Gate(app, platform.tokens, platform.rates))
    wrapped = BodyLimit(wrapped, section.body_bytes, section.request_seconds)
    wrapped = Failures(wrapped)
    if section.cors_origins:
        wrapped = _cors(wrapped, section.cors_origins)
    return counts.around(SecurityHeaders(wrapped))


async def warm(app: FastAPI) -> None:
    """Have all that the framework makes at a first request made before anybody asks: that holds the loop for some
    0.1 s, and the description for as long again."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        """Nobody reads the answer."""

    # Only what no route has is compared with all of them.
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": _NOWHERE,
        "raw_path": _NOWHERE.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": None,
        "server": None,
    }
    await app(scope, receive, send)
    app.openapi()


class _Split:
    """Runs by uuid on a way of their own, which is a third of the other's length."""

    def __init__(self, pages: ASGIApp, api: ASGIApp) -> None:
        self._pages = pages
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        path = scope.get("path", "")
        is_page = scope["type"] == "websocket" or path.startswith(_PAGES)
        await (self._pages if is_page else self._api)(scope, receive, send)


def make_api() -> FastAPI:
    """The routes that are described, without what answers them."""
    app = FastAPI(
        title="ScriptForge",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=f"{API}/openapi.json",
        # Their pages fetch programs from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={
            status: {"model": Problem, "description": words, "content": {problems.MEDIA_TYPE: {}}}
            for status, words in _ERRORS.items()
        },
    )
    for nouns in (
        tenants,
        limits,
        module_grants,
        apps,
        app_scripts,
        scripts,
        assignments,
        providers,
        numbers,
        runs,
        calls,
        jobs,
        schedules,
        workers,
        webhooks,
        rows,
        kv,
        tokens,
        audit,
        nodes,
    ):
        app.include_router(nouns.router, prefix=API)
    problems.install(app)
    schema: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not schema:
            schema.update(_openapi(app))
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def _cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "If-Match", "If-None-Match", "Prefer"],
        expose_headers=["ETag", "Location", "Preference-Applied", "Retry-After"],
        max_age=600,
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with every error as what it is, and the token."""
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for operations in found["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    response["content"] = {problems.MEDIA_TYPE: reference}
    components = found.setdefault("components", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    return found
