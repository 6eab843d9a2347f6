"""Structured logs: one line for one event, a stable action name first, as JSON or for a terminal."""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from traceback import format_exception
from typing import Any, Final

from sidecar.configuration.tree import LogSection
from sidecar.logs.output import LineOutput
from sidecar.text import safe_json
from sipio.sound_text import sound

Field = str | int | float | bool | None | Path | Sequence[str] | Mapping[str, int] | Mapping[str, str]
"""What an extra field of a log line may hold."""

Renderer = Callable[[float, str, str, Mapping[str, Any]], bytes]
"""Unix time, level, action and fields to one line with its line feed."""

LINE_BYTES: Final = 48_000
"""journald splits what is longer than its LineMax, 48 KiB by default (journald.conf(5)); half a JSON object
is worth nothing, so longer texts are cut before."""

TRACEBACK_CHARACTERS: Final = 8_000
"""The end of a traceback kept: the innermost frames and the error."""

_RECORD: Final = vars(logging.LogRecord("", logging.INFO, "(unknown file)", 0, "", (), None))
_LEVELS: Final = {level: logging.getLevelName(level) for level in (10, 20, 30, 40)}
_STANDARD: Final = frozenset((*_RECORD, "message", "asctime", "taskName"))
"""What every record has; the rest came as ``extra``."""
_ACTION: Final = re.compile("[a-z_.]{1,64}")
_RESERVED: Final = frozenset(("time", "level", "action"))
_SECRET_NAME: Final = re.compile("password|passwd|secret|token|authorization|credential|private_key", re.IGNORECASE)
_URL_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")
_BARE: Final = re.compile(r"[^\s\"=\\]+")


class ActionLogger:
    """Logs events by a stable action name and typed fields, through the standard logger of that name."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    @property
    def debugs(self) -> bool:
        """Whether ``debug`` writes anything, for where making its fields takes time."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def debug(self, action: str, /, **fields: Field) -> None:
        """What only a developer asks for."""
        self._log(logging.DEBUG, action, fields)

    def info(self, action: str, /, **fields: Field) -> None:
        """What happened as it should."""
        self._log(logging.INFO, action, fields)

    def warning(self, action: str, /, **fields: Field) -> None:
        """What an operator should look at, with calls still being decided."""
        self._log(logging.WARNING, action, fields)

    def error(self, action: str, /, **fields: Field) -> None:
        """What does not work."""
        self._log(logging.ERROR, action, fields)

    def exception(self, action: str, /, **fields: Field) -> None:
        """An error with the exception being handled and its traceback: a bug of ours."""
        self._log(logging.ERROR, action, fields, exc_info=True)

    def _log(self, level: int, action: str, fields: Mapping[str, Field], *, exc_info: bool = False) -> None:
        logger = self._logger
        if not logger.isEnabledFor(level):
            return
        if exc_info:
            logger.log(level, action, exc_info=True, extra={"fields": fields})
            return
        now = time.time()
        # As logging makes one, but for looking into the path of a source file that nobody told it: half of a line's
        # time.
        record = logging.LogRecord.__new__(logging.LogRecord)
        vars(record).update(
            _RECORD,
            name=logger.name,
            levelno=level,
            levelname=_LEVELS[level],
            msg=action,
            created=now,
            msecs=now % 1 * 1000,
            relativeCreated=(now - _RECORD["created"]) * 1000,
            fields=fields,
        )
        logger.handle(record)


class LineHandler(logging.Handler):
    """Gives records of the standard logging to a line output. A plain message gets the action ``log``."""

    def __init__(self, output: LineOutput, render: Renderer) -> None:
        super().__init__()
        self._output = output
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        fields: dict[str, Any] | None = getattr(record, "fields", None)
        if fields is None:
            action = "log"
            try:
                message = record.getMessage()
            except (TypeError, ValueError, KeyError):
                message = f"{record.msg} {record.args!r}"
            # The packages below log by the standard library alone: a stable name, and fields as ``extra``.
            fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
            if fields and _ACTION.fullmatch(message):
                action = message
                fields = {"logger": record.name, **fields}
            else:
                fields = {"logger": record.name, "message": message, **fields}
        else:
            action = record.msg
        fields = _without_secrets(fields)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["error"] = f"{type(error).__name__}: {error}"
            fields["traceback"] = "".join(format_exception(error))[-TRACEBACK_CHARACTERS:]
        self._output.write(self._render(record.created, record.levelname.lower(), action, fields))


def renderer(section: LogSection) -> Renderer:
    """The line format that the configuration names."""
    return json_line if section.format == "json" else text_line


def open_output(section: LogSection, descriptor: int = 2) -> LineOutput:
    """The output to a descriptor, standard error by default, that says in the same format what it dropped."""
    render = renderer(section)
    return LineOutput(
        descriptor,
        dropped_line=lambda count: render(time.time(), "warning", "log_lines_dropped", {"count": count}),
    )


def setup(section: LogSection, output: LineOutput) -> LineHandler:
    """Make this output the only one of the process's standard logging, Python warnings included."""
    handler = LineHandler(output, renderer(section))
    root = logging.getLogger()
    for former in root.handlers[:]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(section.level.upper())
    # None of it is in a line, and to find it out takes half of a line's time (the logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    return handler


def json_line(when: float, level: str, action: str, fields: Mapping[str, Any]) -> bytes:
    """One JSON object: time (RFC 3339, UTC), level, action, then the fields."""
    head = {"time": rfc3339(when), "level": level, "action": action}
    if not _RESERVED.isdisjoint(fields):
        fields = {name: value for name, value in fields.items() if name not in _RESERVED}
    return _fitted(lambda given: safe_json({**head, **given}), fields)


def text_line(when: float, level: str, action: str, fields: Mapping[str, Any]) -> bytes:
    """For a terminal: time of day, level, action, then ``name=value`` of every field that is not empty."""
    clock = datetime.fromtimestamp(when).astimezone().strftime("%H:%M:%S.%f")

    def line(given: Mapping[str, Any]) -> bytes:
        words = [clock, f"{level:<7}", _text(action)]
        words += [f"{_text(name)}={_text(value)}" for name, value in given.items() if value not in ("", None)]
        return (" ".join(words) + "\n").encode()

    return _fitted(line, fields)


def rfc3339(when: float) -> str:
    """Unix time as ``2026-01-31T12:00:00.000000Z``."""
    second = int(when)
    # divmod, round and min take 0.2 us more.
    micros = int((when - second) * 1e6 + 0.5)
    return f"{_rfc3339_second(second)}.{micros if micros < 1_000_000 else 999_999:06}Z"


@lru_cache(maxsize=16)
def _rfc3339_second(when: int) -> str:
    # 1.5 us of a decision's 50, and thousands of them fall into one second.
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        value = ",".join(f"{name}:{item}" for name, item in value.items())
    elif isinstance(value, list | tuple):
        value = ",".join(str(item) for item in value)
    text = str(value)
    if text.isprintable() and _BARE.fullmatch(text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f'"{text}"'


@lru_cache(maxsize=1_024)
def _is_secret(name: str) -> bool:
    # The names of fields are ours and few, and a call's record has twenty.
    return _SECRET_NAME.search(name) is not None


def _without_secrets(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: "[redacted]"
        if _is_secret(name)
        else _URL_CREDENTIALS.sub("[redacted]@", value)
        if isinstance(value, str) and "://" in value
        else value
        for name, value in fields.items()
    }


def _fitted(line: Callable[[Mapping[str, Any]], bytes], fields: Mapping[str, Any]) -> bytes:
    rendered = line(fields)
    for characters in (2_000, 200, 20):
        if len(rendered) <= LINE_BYTES:
            return rendered
        rendered = line({name: _shortened(value, characters) for name, value in fields.items()})
    return rendered if len(rendered) <= LINE_BYTES else line({"cut_bytes": len(rendered)})


def _shortened(value: Any, characters: int) -> Any:
    """The value with every text cut and free of what UTF-8 cannot carry, at most 100 entries a container."""
    if isinstance(value, str):
        clean = sound(value[:characters])
        return clean if len(value) <= characters else f"{clean}... ({len(value) - characters} more)"
    if isinstance(value, Mapping):
        return {_shortened(k, characters): _shortened(v, characters) for k, v in list(value.items())[:100]}
    if isinstance(value, list | tuple):
        return [_shortened(item, characters) for item in value[:100]]
    return value
