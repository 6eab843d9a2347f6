"""Errors as whoever asks is told them: RFC 9457, ``application/problem+json``."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sidecar.catalog.database.errors import (
    AlreadyThere,
    CatalogRefusal,
    ChangedMeanwhile,
    LimitReached,
    NotAllowed,
    NotThere,
    ScriptRefused,
    StillUsed,
    WrongValues,
)
from sidecar.catalog.database.numbers import NumberUnsettled
from sidecar.errors import SidecarError
from sidecar.hosts.errors import HostError, HostFull, HostSlow, HostUnavailable
from sidecar.http.refused_values import refused_values
from sidecar.logs.logger import ActionLogger
from sidecar.queue.errors import NoSuchJob, NoSuchMessage, NoSuchSchedule, NoSuchScript, QueueError, QueueFull, WrongJob
from sidecar.storage.errors import DatabaseFull, StorageError

_log = ActionLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
AGAIN_SECONDS: Final = 1
"""``Retry-After`` of what is asked while the database cannot be."""
_LONGEST_DETAIL: Final = 2_000
_MOST: Final = 100
"""Problems told of one request."""


class ApiError(SidecarError):
    """An error that is an answer."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """``kind`` says which of the errors with this status it is, for programs."""
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def response(self) -> Response:
        """As the answer to a request."""
        return problem(self.status, str(self), kind=self.kind, headers=self.headers, more=self.more)


class PreconditionRequired(ApiError):
    """A change of what is there, by somebody who does not say what they have seen."""

    def __init__(self, tag: str) -> None:
        super().__init__(
            HTTPStatus.PRECONDITION_REQUIRED,
            "it is there already and is something else: send If-Match with the ETag that you have seen, or *",
            kind="precondition-required",
            headers={"ETag": f'"{tag}"'},
        )


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    kind: str = "",
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """A response that says what is wrong."""
    content = {
        "type": f"urn:scriptforge:{kind}" if kind else "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": _sound(detail[:_LONGEST_DETAIL]),
        **(more or {}),
    }
    return Response(msgspec.json.encode(content), status.value, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def of_refusal(error: CatalogRefusal) -> ApiError:
    """What the catalog refuses, as an answer."""
    detail = str(error)
    match error:
        case NotThere():
            return ApiError(HTTPStatus.NOT_FOUND, detail, kind="not-there")
        case ChangedMeanwhile():
            headers = {"ETag": f'"{error.tag}"'}
            return ApiError(HTTPStatus.PRECONDITION_FAILED, detail, kind="changed-meanwhile", headers=headers)
        case AlreadyThere():
            return ApiError(HTTPStatus.CONFLICT, detail, kind="already-there")
        case StillUsed():
            return ApiError(HTTPStatus.CONFLICT, detail, kind="still-used")
        case LimitReached():
            return ApiError(HTTPStatus.FORBIDDEN, detail, kind="limit-reached")
        case NumberUnsettled():
            return ApiError(HTTPStatus.CONFLICT, detail, kind="unsettled")
        case NotAllowed():
            return ApiError(HTTPStatus.FORBIDDEN, detail, kind="not-allowed")
        case ScriptRefused():
            found = [
                {
                    "file": _sound(one.file),
                    "line": one.line,
                    "column": one.column,
                    "severity": one.severity.value,
                    "message": _sound(one.message),
                }
                for one in error.problems[:_MOST]
            ]
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="script-refused", more={"problems": found})
        case WrongValues():
            messages = [_sound(one) for one in error.messages[:_MOST]]
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="wrong-values", more={"messages": messages})
    return ApiError(HTTPStatus.CONFLICT, detail)


def of_storage(error: StorageError) -> ApiError:
    """A database that cannot be asked, or has no room. The operator's log has the details, which are not for all."""
    _log.error("database_failed", error=str(error))
    if isinstance(error, DatabaseFull):
        return ApiError(HTTPStatus.INSUFFICIENT_STORAGE, "there is no room for it; nothing was changed", kind="full")
    return ApiError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the database cannot be asked now; nothing was changed",
        kind="database-unreachable",
        headers={"Retry-After": str(AGAIN_SECONDS)},
    )


def of_queue(error: QueueError) -> ApiError:
    """What the queue of jobs refuses, as an answer."""
    detail = str(error)
    match error:
        case NoSuchJob() | NoSuchScript() | NoSuchSchedule() | NoSuchMessage():
            return ApiError(HTTPStatus.NOT_FOUND, detail, kind="not-there")
        case QueueFull():
            return ApiError(HTTPStatus.FORBIDDEN, detail, kind="limit-reached")
        case WrongJob():
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="wrong-values", more={"messages": [detail]})
    return ApiError(HTTPStatus.CONFLICT, detail, kind="wrong-state")


def of_host(error: HostError) -> ApiError:
    """What is refused of what scripts keep, as an answer."""
    detail = str(error)
    if isinstance(error, HostFull):
        return ApiError(HTTPStatus.INSUFFICIENT_STORAGE, detail, kind="full")
    if isinstance(error, HostUnavailable):
        headers = {"Retry-After": str(AGAIN_SECONDS)}
        kind = "database-slow" if isinstance(error, HostSlow) else "database-unreachable"
        return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, detail, kind=kind, headers=headers)
    if error.name == "ReferenceError":
        return ApiError(HTTPStatus.NOT_FOUND, detail, kind="not-there")
    if error.name in ("TypeError", "RangeError"):
        more = {"messages": [_sound(detail[:_LONGEST_DETAIL])]}
        return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="wrong-values", more=more)
    return ApiError(HTTPStatus.CONFLICT, detail, kind="already-there")


def of_validation(error: RequestValidationError, content_type: str = "") -> ApiError:
    """A request that is not what its route takes."""
    found = error.errors()[:_MOST]
    if any(one["type"] == "json_invalid" for one in found):
        return ApiError(HTTPStatus.BAD_REQUEST, "the body is not JSON", kind="bad-json")
    messages = [_sound(one) for one in refused_values(found)]
    if "json" not in content_type and any(one["loc"] == ("body",) and one["type"] != "missing" for one in found):
        # As curl sends it that was told of no other: the body was not looked at, and is most likely in order.
        messages = ["body: it is taken as JSON with the header `Content-Type: application/json` alone"]
    return ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(messages), kind="wrong-values", more={"messages": messages}
    )


def install(app: FastAPI) -> None:
    """Have an application answer every error so."""

    async def api_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)  # noqa: S101 - registered for it
        return error.response()

    async def refusal(_request: Request, error: Exception) -> Response:
        assert isinstance(error, CatalogRefusal)  # noqa: S101
        return of_refusal(error).response()

    async def host(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HostError)  # noqa: S101
        return of_host(error).response()

    async def queue(_request: Request, error: Exception) -> Response:
        assert isinstance(error, QueueError)  # noqa: S101
        return of_queue(error).response()

    async def storage(_request: Request, error: Exception) -> Response:
        assert isinstance(error, StorageError)  # noqa: S101
        return of_storage(error).response()

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return of_validation(error, request.headers.get("content-type", "").lower()).response()

    async def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        status = HTTPStatus(error.status_code)
        if status is HTTPStatus.NOT_FOUND and error.detail == status.phrase:
            return problem(status, "there is no such resource", headers=error.headers)
        if status is HTTPStatus.BAD_REQUEST:
            return problem(status, "the body cannot be read", kind="bad-json", headers=error.headers)
        return problem(status, error.detail, headers=error.headers)

    async def recursion(_request: Request, _error: Exception) -> Response:
        return problem(HTTPStatus.BAD_REQUEST, "the body is nested too deep", kind="bad-json")

    async def fault(_request: Request, _error: Exception) -> Response:
        # Logged by whoever it is raised to next.
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed; see the platform's log")

    app.add_exception_handler(Exception, fault)
    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(CatalogRefusal, refusal)
    app.add_exception_handler(HostError, host)
    app.add_exception_handler(QueueError, queue)
    app.add_exception_handler(StorageError, storage)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RecursionError, recursion)


def _sound(text: str) -> str:
    """A text with no half of a surrogate pair, which JSON could not be written with."""
    return text.encode("utf-8", "replace").decode()
