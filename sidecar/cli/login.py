"""``scriptforge login``: keep a server and a token for it, so that other commands ask it."""

import argparse
import getpass
import sys
from urllib.parse import urlsplit

from sidecar.cli.remote.command import told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT, Missing, ServerError
from sidecar.cli.remote.servers import (
    ADDRESS,
    DEFAULT_NAME,
    NAME,
    TENANT,
    TOKEN,
    Server,
    read_servers,
    servers_file,
    sound_address,
    write_servers,
)
from sidecar.cli.remote.shown import print_list
from sidecar.text import escaped

_TOKEN_CHARACTERS = 1_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``login`` command."""
    parser = subparsers.add_parser(
        "login",
        help="keep a server's address and a token, for the commands that ask it",
        description="Asks for the token, or reads it from standard input, and tries it. It is kept in"
        f" {servers_file()}, which you alone may read. Where no --server NAME says otherwise, the server that was"
        f" logged in to last is asked. CI sets {ADDRESS} and {TOKEN} instead, and {TENANT} where it is another one than"
        f" the token's; {NAME} chooses one of those kept. {EXIT_STATUS_TEXT}",
    )
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="such as https://scripts.example or http://127.0.0.1:8080"
    )
    parser.add_argument("--name", default=DEFAULT_NAME, help=f"what the server is called here; default: {DEFAULT_NAME}")
    parser.add_argument("--use", metavar="NAME", help="ask this one from now on, of those kept")
    parser.add_argument("--list", action="store_true", help="those kept, without their tokens")
    parser.add_argument("--forget", metavar="NAME", help="keep this one no more; its token stays good until revoked")
    parser.add_argument("--json", action="store_true", help="with --list: print JSON, for programs")
    parser.set_defaults(run=lambda arguments: told(lambda: run(arguments)), usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Does what was asked. Raises ServerError."""
    from sidecar.cli.remote.client import Client  # noqa: PLC0415 - HTTP takes its time to read in

    asked = (arguments.url is not None, arguments.use is not None, arguments.list, arguments.forget is not None)
    if sum(asked) != 1:
        arguments.usage_error("one of URL, --use, --list and --forget")
    file = servers_file()
    kept = read_servers(file)
    if arguments.list:
        rows = [
            {"name": name, "url": one.url, "default": name == kept.default}
            for name, one in sorted(kept.servers.items())
        ]
        print_list(rows, {"NAME": "name", "URL": "url", "DEFAULT": "default"}, json=arguments.json)
        return 0
    name = arguments.use or arguments.forget
    if name is not None:
        if name not in kept.servers:
            raise Missing(f"there is no server called {name!r}")
        if arguments.use is not None:
            kept.default = name
        else:
            del kept.servers[name]
            kept.default = "" if kept.default == name else kept.default
        write_servers(file, kept)
        return 0
    server = Server(sound_address(arguments.url), _token())
    me = Client(server).get("/me").value
    if not isinstance(me, dict) or "scopes" not in me:
        raise ServerError(f"{server.url}: what answers there is not ScriptForge")
    kept.servers[arguments.name] = server
    kept.default = arguments.name
    write_servers(file, kept)
    print(escaped(f"logged in to {server.url} as {me['name']!r} of {me['tenant']}: {' '.join(me['scopes'])}"))
    parts = urlsplit(server.url)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        print("scriptforge: by http the token crosses the network for everybody to read", file=sys.stderr)
    return 0


def _token() -> str:
    """Never an argument: whoever lists processes would read it."""
    text = getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline(_TOKEN_CHARACTERS)
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ServerError("that is no token: it begins with sf_")
    return token
