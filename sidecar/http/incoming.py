"""What came with a request, as the data of a run: a flat table of the keys of a query, a form or a JSON object.

A key that begins with ``_`` is removed, whoever sent it: ``_company`` and ``_user`` are the platform's to say.
"""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

FIELDS: Final = 1_000
"""Of one form or query."""
FILES: Final = 20
"""Of one form."""
FILE_BYTES: Final = 5_000_000
"""Of all files of one form."""
FORM_BYTES: Final = 16_384
"""Of a form without files that is read at once, which takes some 2 ms."""
FIELD_BYTES: Final = 1_000_000
"""Of one field that is no file."""


class BadRequest(Exception):
    """A request whose data cannot be read. The message is for whoever sent it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def data_of_query(query: str | bytes) -> dict[str, Any]:
    """The keys of a query. Raises BadRequest."""
    text = query.decode("ascii", "replace") if isinstance(query, bytes) else query
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        raise BadRequest(f"more than {FIELDS} fields") from None
    return _table(pairs)


async def data_of(request: Request) -> dict[str, Any]:
    """The data of a request: its query for GET, else its body. Raises BadRequest."""
    if request.method in ("GET", "HEAD"):
        return data_of_query(request.scope["query_string"])
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _form(request)
    body = await request.body()
    if not body.strip():
        return {}
    if kind == "application/x-www-form-urlencoded":
        # In a thread: 8 MB of it take a second.
        return await asyncio.to_thread(data_of_query, body) if len(body) > FORM_BYTES else data_of_query(body)
    if kind in ("", "application/json", "text/plain") or kind.endswith("+json"):
        return _json(body)
    raise BadRequest("expected application/json, application/x-www-form-urlencoded or multipart/form-data", 415)


def without_reserved(data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a stranger may send."""
    return {key: value for key, value in data.items() if not key.startswith("_")}


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(body)
    except RecursionError:
        raise BadRequest("the JSON is nested too deep") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadRequest("expected a JSON object")
    return without_reserved(data)


async def _form(request: Request) -> dict[str, Any]:
    pairs: list[tuple[str, Any]] = []
    size = 0
    try:
        async with request.form(max_files=FILES, max_fields=FIELDS, max_part_size=FIELD_BYTES) as form:
            for key, value in form.multi_items():
                if isinstance(value, UploadFile):
                    content = await value.read()
                    size += len(content)
                    if size > FILE_BYTES:
                        raise BadRequest(f"the files have more than {FILE_BYTES:_} bytes", 413)
                    pairs.append((key, _file(value, content)))
                else:
                    pairs.append((key, value))
    except MultiPartException as error:
        raise BadRequest(f"the form cannot be read: {error.message}") from None
    return _table(pairs)


def _file(given: UploadFile, content: bytes) -> dict[str, Any]:
    return {
        "name": given.filename or "",
        "type": given.content_type or "application/octet-stream",
        "size": len(content),
        "content": base64.b64encode(content).decode(),
    }


def _table(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Keys with their values; of a key that comes several times a list."""
    table: dict[str, Any] = {}
    several: set[str] = set()
    for key, value in pairs:
        if key.startswith("_"):
            continue
        if key not in table:
            table[key] = value
        elif key in several:
            table[key].append(value)
        else:
            several.add(key)
            table[key] = [table[key], value]
    return table
