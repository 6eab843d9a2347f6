"""A command that asks a server: its options, and what becomes of what the server does not do."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar.cli.remote.errors import Refusal, ServerError
from sidecar.cli.remote.servers import TENANT, find_server
from sidecar.problem import Problem, Severity
from sidecar.report import report
from sidecar.text import escaped_lines

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_THERE: Final = "it is there already and is something else; --force puts this in its place"
"""What a server says in words of HTTP: every command that may be told it takes --force."""

Asks = Callable[[argparse.Namespace, "Client"], int]
"""What a command does with a server; its exit status."""


def add_server_options(parser: argparse.ArgumentParser, *, json: bool = True, tenant: bool = True) -> None:
    """The options of every command that asks a server; without ``tenant`` for what is no single tenant's."""
    parser.add_argument(
        "--server", metavar="NAME", help="one that was logged in to; default: SCRIPTFORGE_SERVER, or the last one"
    )
    if tenant:
        parser.add_argument(
            "--tenant", metavar="NAME", help="whose it is; default: SCRIPTFORGE_TENANT, or the token's own tenant"
        )
    else:
        parser.set_defaults(tenant="")
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def client_of(arguments: argparse.Namespace) -> "Client":
    """Who asks the server that the command is for. Raises ServerError."""
    from sidecar.cli.remote.client import Client  # noqa: PLC0415 - HTTP takes its time to read in

    tenant = os.environ.get(TENANT) if arguments.tenant is None else arguments.tenant
    return Client(find_server(arguments.server), tenant or None)


def at_server(asks: Asks) -> Callable[[argparse.Namespace], int]:
    """A command's ``run`` that asks a server, and tells what it does not do."""

    def run(arguments: argparse.Namespace) -> int:
        return told(lambda: asks(arguments, client_of(arguments)))

    return run


def told(does: Callable[[], int]) -> int:
    """Do it; where a server has not, say so on standard error. The exit status."""
    try:
        return does()
    except ServerError as error:
        tell(error)
        return error.exit_status


def tell(error: ServerError, sources: dict[str, str] | None = None) -> None:
    """An error for people, of a script with the author's lines where ``sources`` has them by the file's name."""
    if isinstance(error, Refusal) and error.problems:
        print(report(problems_of(error), sources or {}), end="", file=sys.stderr)
        return
    words = _THERE if isinstance(error, Refusal) and error.kind == "precondition-required" else str(error)
    print(escaped_lines(f"scriptforge: {words}"), file=sys.stderr)


def problems_of(refusal: Refusal) -> list[Problem]:
    """What is wrong with scripts, as a server has told it."""
    return [
        Problem(one["file"], one["line"], one["column"], Severity(one["severity"]), one["message"])
        for one in refusal.problems
    ]
