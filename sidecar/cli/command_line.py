"""The command line read, and what becomes of a command's output and of what it cannot do."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sandbox.errors import EngineMissing, SandboxError
from sandbox.installation import require_engine
from sidecar import __version__
from sidecar.cli import (
    apps,
    assign,
    audit,
    bench,
    call,
    calls,
    check,
    completion,
    config,
    db,
    dev,
    dids,
    env,
    export,
    import_,
    jobs,
    kv,
    limits,
    login,
    logs,
    modules,
    nodes,
    platform,
    route,
    rows,
    run,
    schedules,
    scripts,
    serve,
    tenants,
    test,
    tokens,
    types,
    up,
    usage,
    webhooks,
    workers,
)
from sidecar.errors import SidecarError
from sidecar.text import escaped_lines
from sipio.errors import SipioError

INTERRUPTED: Final = 130
OUTPUT_GONE: Final = 141
WITHOUT_ENGINE: Final = "check, types, config, route, logs, calls and what asks a server"
"""Commands that run no script in this process or its workers."""


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Which command with what. Exits where the words make none."""
    _make_output_usable()
    return make_parser().parse_args(arguments)


def run_command(given: argparse.Namespace) -> int:
    """Run it; the process's exit status."""
    try:
        if getattr(given, "runs_scripts", False):
            require_engine()
        status = int(given.run(given))
        sys.stdout.flush()  # what cannot be written is known here, not at the interpreter's end
    except EngineMissing as error:
        print(f"scriptforge: {error}; {WITHOUT_ENGINE} work here", file=sys.stderr)
        return 1
    except (SidecarError, SandboxError, SipioError) as error:
        print(escaped_lines(f"scriptforge: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has what it wanted, as ``head`` does.
        _give_up_output()
        return OUTPUT_GONE
    except OSError as error:
        # Each command tells of its files and sockets itself; what is left is mostly output, as to a full disk.
        _give_up_output()
        with suppress(OSError):
            where = f"{error.filename}: " if error.filename else ""
            print(escaped_lines(f"scriptforge: {where}{error.strerror or error}"), file=sys.stderr, flush=True)
        return 1
    return status


def make_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        prog="scriptforge", description="Runs a carrier's customers' JavaScript on every call, beside the switch."
    )
    parser.add_argument("--version", action="version", version=f"scriptforge {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        run,
        check,
        test,
        dev,
        up,
        serve,
        platform,
        route,
        logs,
        call,
        calls,
        types,
        config,
        login,
        apps,
        scripts,
        assign,
        env,
        kv,
        jobs,
        schedules,
        workers,
        webhooks,
        rows,
        dids,
        modules,
        tenants,
        tokens,
        usage,
        db,
        export,
        import_,
        limits,
        nodes,
        audit,
        bench,
        completion,
    ):
        command.add_parser(subparsers)
    return parser


def _make_output_usable() -> None:
    """Output that is closed takes everything; a character that the terminal's encoding lacks becomes an escape."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_output() -> None:
    """What is still buffered would fail once more at the interpreter's end, which prints a traceback of it."""
    with suppress(OSError):
        discard = os.open(os.devnull, os.O_WRONLY)
        os.dup2(discard, sys.stdout.fileno())
        os.close(discard)
