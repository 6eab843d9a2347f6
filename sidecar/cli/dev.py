"""``scriptforge dev``: a folder of scripts on a platform of its own, saved and run whenever a file changes."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sidecar.cli.remote.errors import ServerError
from sidecar.cli.remote.servers import ADDRESS, TOKEN, Server
from sidecar.cli.service_process import ServiceProcess, ending_signals
from sidecar.configuration.source import DEFAULT_ORIGIN, LoadedConfiguration, load_configuration
from sidecar.errors import ConfigurationError
from sidecar.kind import MAIN, Kind
from sidecar.switches.this_machine import missing_for_platform
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.cli.developing.session import Session
    from sidecar.cli.remote.client import Client

_NAME: Final = "scriptforge dev"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``dev`` command."""
    parser = subparsers.add_parser(
        "dev",
        help="a folder of scripts on a platform of its own: saved, checked and run whenever a file changes",
        description="Starts a platform on loopback, with its database in DIR/.scriptforge, where what scripts keep"
        " stays for the next time. On each change all files are checked and saved as one app, and a script is run; what"
        " it writes is shown, and so is what runs by uuid write. Ctrl-C ends the watching and then the platform. Exit"
        " status: 0 after an ordered end, 1 where the platform could not start or has ended by itself, 2 wrong usage.",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.add_argument(
        "--script", metavar="FILE", help="the script that is run; default: the only one, or main.* or index.*"
    )
    parser.add_argument("--function", default=MAIN, metavar="NAME", help="what is run of it; default: main")
    parser.add_argument("--data", type=Path, metavar="FILE", help="its first argument as a JSON object; watched too")
    parser.add_argument(
        "--env", type=Path, metavar="FILE", help="variables for process.env, a line NAME=VALUE each; watched too"
    )
    parser.add_argument("--no-run", action="store_true", help="run nothing on a change")
    parser.add_argument("--kind", choices=[kind.value for kind in Kind], help="what the scripts are; default: Apps")
    parser.add_argument(
        "--listen",
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="default: a free port on 127.0.0.1, another each time",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Watches until told to stop."""
    from sidecar.cli.remote.checkout import private_folder  # noqa: PLC0415 - other commands do without

    missing = missing_for_platform()
    if missing:
        raise ConfigurationError(missing)
    folder: Path = arguments.folder
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: there is no such folder")
    for file in (arguments.data, arguments.env):
        if file is not None and not file.is_file():
            raise ConfigurationError(f"{file}: there is no such file")
    try:
        kept = private_folder(folder) / "dev"
        kept.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from error
    environment = _environment(load_configuration(arguments.config), kept.absolute(), arguments.listen)
    return asyncio.run(_Dev(arguments, environment).run())


def _environment(loaded: LoadedConfiguration, kept: Path, listen: str) -> dict[str, str]:
    """What the platform is told: a database and logs of its own, whatever the configuration says; what scripts may ask
    of their host is as it is there."""
    wanted = {
        ("catalog", "url"): f"sqlite:///{kept / 'platform.db'}",
        ("catalog", "last_good"): str(kept / "last-good"),
        ("storage", "url"): "",
        ("platform", "listen"): listen,
        ("platform", "metrics"): "",
        ("platform", "logs"): str(kept / "logs"),
    }
    environment = dict(os.environ)
    if loaded.origins.get(("log", "level"), DEFAULT_ORIGIN) == DEFAULT_ORIGIN:
        wanted["log", "level"] = "error"
    for path, value in wanted.items():
        environment[f"SCRIPTFORGE_{'__'.join(path).upper()}"] = value
    return environment


class _Dev:
    def __init__(self, arguments: argparse.Namespace, environment: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._environment = environment

    async def run(self) -> int:
        loaded = load_configuration(self._arguments.config, self._environment)
        number, token = await _make_ready(loaded)
        asked_to_end = asyncio.Event()
        loop = asyncio.get_running_loop()
        with tempfile.TemporaryDirectory(prefix="scriptforge-") as name:
            platform = ServiceProcess("platform", Path(name))

            def end() -> None:
                if asked_to_end.is_set():
                    # Once more: what is waited for is cut.
                    platform.tell(signal.SIGTERM)
                asked_to_end.set()

            signals = ending_signals()
            for one in signals:
                loop.add_signal_handler(one, end)
            try:
                return await self._until_the_end(platform, asked_to_end, number, token)
            finally:
                await platform.end()
                for one in signals:
                    loop.remove_signal_handler(one)

    async def _until_the_end(
        self, platform: ServiceProcess, asked_to_end: asyncio.Event, number: int, token: str
    ) -> int:
        from sidecar.cli.remote.client import Client  # noqa: PLC0415 - HTTP takes its time to read in

        asked = asyncio.ensure_future(asked_to_end.wait())
        starting = asyncio.ensure_future(platform.start(self._arguments.config, self._environment))
        await asyncio.wait((asked, starting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
            return 0
        starting.result()
        assert platform.process is not None  # noqa: S101 - started
        client = Client(Server(platform.status.removeprefix("serving "), token))
        _tell(client, self._arguments.folder)
        session = self._session(client)
        working = asyncio.ensure_future(asyncio.to_thread(session.work))
        ended = asyncio.ensure_future(platform.process.wait())
        await asyncio.wait((asked, working, ended), return_when=asyncio.FIRST_COMPLETED)
        session.stop()
        if not ended.done():
            await asyncio.to_thread(_revoke, client, number)
        # A run that goes on would be waited for: the platform ends it, and with it whoever waits for its answer.
        await platform.end()
        await asyncio.wait((working,))
        if asked.done():
            print("ended", file=sys.stderr)
            return 0
        error = working.exception()
        if error is not None and not isinstance(error, ServerError):
            raise error
        why = escaped(str(error)) if error is not None else "`scriptforge platform` has ended; see above"
        print(f"scriptforge: {why}", file=sys.stderr)
        return 1

    def _session(self, client: "Client") -> "Session":
        from sidecar.cli.developing.session import Session  # noqa: PLC0415 - as the client

        arguments = self._arguments
        return Session(
            client,
            arguments.folder,
            kind=arguments.kind,
            script=arguments.script,
            function=arguments.function,
            data=arguments.data,
            variables=arguments.env,
            runs=not arguments.no_run,
        )


def _revoke(client: "Client", number: int) -> None:
    try:
        client.delete(f"/tokens/{number}")
    except ServerError:
        # It ends at this very moment. Whoever reads the token in the terminal has the database beside it.
        return


async def _make_ready(loaded: LoadedConfiguration) -> tuple[int, str]:
    """Make the database's tables, and a token for this time; its number and its text."""
    from sidecar.catalog.database.tenants import ensure_operator  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.database.tokens import SCOPES, make_token  # noqa: PLC0415
    from sidecar.catalog.database.work import Store  # noqa: PLC0415
    from sidecar.catalog.model import OPERATOR  # noqa: PLC0415
    from sidecar.cli.database import actor  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415
    from sidecar.storage.schema import upgrade  # noqa: PLC0415

    url = loaded.configuration.catalog.url
    assert url is not None  # noqa: S101 - set above
    store = Store(Storage(url, create=True))
    try:
        await upgrade(store.storage)
        await ensure_operator(store, actor())
        async with store.working(actor(), OPERATOR) as work:
            record, text = await make_token(work, _NAME, SCOPES)
            return record.id, text
    finally:
        await store.close()


def _tell(client: "Client", folder: Path) -> None:
    print(escaped(f"{folder.resolve()} at {client.server.url}; Ctrl-C ends it"))
    print("in another terminal, for `scriptforge kv`, `rows`, `logs` ...:")
    print(f"    export {ADDRESS}={client.server.url} {TOKEN}={client.server.token}", flush=True)
