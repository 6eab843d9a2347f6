"""A run told as it goes: ``text/event-stream``."""

import asyncio
import platform
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from sidecar.http.run_service import ScriptRun
from sidecar.http.script_log import ScriptLine, ScriptLog

MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""A proxy that gathered the stream would make it useless."""
COMMENT_SECONDS: Final = 15.0
"""A line from time to time, or who is between would take the connection for dead."""
COMMENT: Final = b": \n\n"
LOOK_SECONDS: Final = 0.1
"""How often it is looked whether the run has written something: each look takes 20 us."""


def event(data: Any, kind: str = "") -> bytes:
    """One event. Its data is JSON, which has no line feed."""
    head = f"event: {kind}\n" if kind else ""
    return f"{head}data: ".encode() + msgspec.json.encode(data) + b"\n\n"


def wants_events(accept: str) -> bool:
    """Whether an Accept header asks for a stream."""
    return any(one.partition(";")[0].strip().lower() == MEDIA_TYPE for one in accept.split(","))


async def events_of(run: ScriptRun, *, for_author: bool = False) -> AsyncIterator[bytes]:
    """The events of a run: headers at once, then what it writes, then its result or its error. It is cancelled where
    nobody reads on. ``for_author``: with the places in the script."""
    try:
        yield event({"key": "x-hostname", "value": platform.node()}, "header")
        yield event({"key": "x-run-id", "value": run.id}, "header")
        told, said = 0, time.monotonic()
        while True:
            over = run.answer.done()
            lines = run.lines[told:]
            for line in lines:
                level = f"console.{line.level}"
                yield event({"ts": round(time.time() * 1000), "level": level, "payload": line.text}, "log")
            told += len(lines)
            now = time.monotonic()
            if lines:
                said = now
            elif now - said >= COMMENT_SECONDS:
                said = now
                yield COMMENT
            if over:
                break
            await asyncio.wait((run.answer,), timeout=LOOK_SECONDS)
        answer = run.answer.result()
        if answer.failed:
            details: dict[str, Any] = {"status": answer.status}
            if for_author:
                details |= {"location": answer.location, "stack": answer.stack}
            message = answer.message if for_author else answer.error
            yield event({"name": answer.name, "message": message, "details": details}, "error")
        else:
            yield event(answer.value)
    finally:
        run.cancel()


async def log_events(log: ScriptLog, tenant: str, script: str | None) -> AsyncIterator[bytes]:
    """What a tenant's scripts write, as it comes; how many lines were lost where they came too fast."""
    yield COMMENT
    lines = log.follow(tenant, script)
    waiting: asyncio.Future[tuple[int, list[ScriptLine]]] | None = None
    try:
        while True:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(lines))
            done, _ = await asyncio.wait((waiting,), timeout=COMMENT_SECONDS)
            if not done:
                yield COMMENT
                continue
            try:
                lost, found = waiting.result()
            except StopAsyncIteration:
                return
            finally:
                waiting = None
            if lost:
                yield event({"lost": lost}, "lost")
            for line in found:
                yield event(line, "log")
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait((waiting,))
        await lines.aclose()
