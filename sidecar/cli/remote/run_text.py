"""What came of a run, for its author."""

from typing import Any, Final

from sidecar.cli.terminal import Paint, Painter
from sidecar.text import escaped, safe_json

LEVEL_PAINTS: Final = {"warn": Paint.CHANGED, "error": Paint.BAD, "failed": Paint.BAD, "debug": Paint.FAINT}


def run_text(report: dict[str, Any], paint: Painter) -> str:
    """A run's console, its result or its error with the place, and its time."""
    shown = "".join(console_text(one["level"], one["text"], paint) for one in report["console"])
    if report["error"] is None:
        shown += result_text(report["result"])
    else:
        shown += error_text(report, paint)
    return (
        shown
        + paint(f"time {report['took_ms']:.1f} ms, of that {report['run_ms']:.1f} in the worker", Paint.FAINT)
        + "\n"
    )


def console_text(level: str, text: str, paint: Painter) -> str:
    """What a script wrote: each further line below the first."""
    first, *rest = text.split("\n")
    return f"{paint(level, LEVEL_PAINTS.get(level))} {escaped(first)}\n" + "".join(
        f"    {escaped(one)}\n" for one in rest
    )


def result_text(result: object) -> str:
    """What a function has returned."""
    return f"returned {safe_json(result).decode()}"


def error_text(report: dict[str, Any], paint: Painter) -> str:
    """Why a run failed, and where."""
    name, error = report.get("name") or "Error", report["error"]
    what = escaped(error if error.startswith(name) else f"{name}: {error}")
    place = escaped(report.get("location") or "")
    lines = [paint(f"{place}: {what}" if place else what, Paint.BAD)]
    lines += [f"    {escaped(one)}" for one in report.get("stack") or []]
    return "\n".join(lines) + "\n"
