"""``scriptforge up``: the call daemon and the platform on this machine, on one SQLite file, for a desk."""

import argparse
import asyncio
import fcntl
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sidecar.cli.service_process import ServiceProcess, ending_signals
from sidecar.configuration.source import DEFAULT_ORIGIN, LoadedConfiguration, load_configuration
from sidecar.configuration.tree import CatalogSection
from sidecar.errors import ConfigurationError
from sidecar.switches.this_machine import missing_for_platform
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.catalog.database.work import Store

FIRST_NAME: Final = "first token"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``up`` command."""
    parser = subparsers.add_parser(
        "up", help="the call daemon and the platform on this machine, with a database made for them, until Ctrl-C"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=Path("scriptforge-data"), help="default: ./scriptforge-data"
    )
    parser.set_defaults(run=run, runs_scripts=True)


def run(arguments: argparse.Namespace) -> int:
    """Runs both. The exit status is 0 after an ordered end, 1 where one could not start or has ended by itself."""
    missing = missing_for_platform()
    if missing:
        raise ConfigurationError(missing)
    loaded = load_configuration(arguments.config)
    if loaded.configuration.catalog.directory != CatalogSection().directory:
        origin = loaded.origins[("catalog", "directory")]
        raise ConfigurationError(f"{origin}: `scriptforge up` has scripts in a database, and in no directory: unset it")
    folder = arguments.data.absolute()
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--data: {folder} cannot be made: {error.strerror}") from error
    environment = _environment(loaded, folder)
    with _alone_in(folder):
        return asyncio.run(_Up(arguments.config, environment).run())


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Nobody else's `up` has this folder meanwhile; the lock ends with its process. Raises ConfigurationError."""
    with (folder / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"--data: {folder} is that of a `scriptforge up` which is running: end it, or name another folder"
            ) from None
        yield


def _environment(loaded: LoadedConfiguration, folder: Path) -> dict[str, str]:
    """What both are told: everything in the folder, but for what the operator has set."""
    wanted = {
        ("catalog", "url"): f"sqlite:///{folder / 'platform.db'}",
        ("catalog", "last_good"): str(folder / "last-good"),
        ("socket", "unix"): str(folder / "scriptforge.sock"),
        ("originate", "socket"): str(folder / "platform.sock"),
        ("voice", "sounds"): str(folder / "sounds"),
        ("voice", "recordings"): str(folder / "recordings"),
        ("voice", "cache"): str(folder / "cache"),
        ("voice", "records"): str(folder / "calls"),
        ("platform", "logs"): str(folder / "script-logs"),
        ("modules", "directory"): str(folder / "modules"),
        ("log", "format"): "text" if sys.stderr.isatty() else "json",
    }
    environment = dict(os.environ)
    for path, value in wanted.items():
        if loaded.origins.get(path, DEFAULT_ORIGIN) == DEFAULT_ORIGIN:
            environment[f"SCRIPTFORGE_{'__'.join(path).upper()}"] = value
    return environment


class _Up:
    def __init__(self, config: Path | None, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment

    async def run(self) -> int:
        loaded = load_configuration(self._config, self._environment)
        await _make_ready(loaded)
        asked_to_end = asyncio.Event()
        loop = asyncio.get_running_loop()
        with tempfile.TemporaryDirectory(prefix="scriptforge-") as name:
            daemon, platform = ServiceProcess("serve", Path(name)), ServiceProcess("platform", Path(name))

            def end() -> None:
                if asked_to_end.is_set():
                    # Once more: what is waited for is cut, as by a second signal to each.
                    for one in (platform, daemon):
                        one.tell(signal.SIGTERM)
                asked_to_end.set()

            signals = ending_signals()
            for number in signals:
                loop.add_signal_handler(number, end)
            try:
                status = await self._both(daemon, platform, loaded, asked_to_end)
            finally:
                # Who asks over HTTP first; calls are decided until there is nobody else.
                await platform.end()
                await daemon.end()
                for number in signals:
                    loop.remove_signal_handler(number)
        return status

    async def _both(
        self,
        daemon: ServiceProcess,
        platform: ServiceProcess,
        loaded: LoadedConfiguration,
        asked_to_end: asyncio.Event,
    ) -> int:
        asked = asyncio.ensure_future(asked_to_end.wait())
        starting = asyncio.ensure_future(self._start(daemon, platform))
        await asyncio.wait((asked, starting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
            return 0
        starting.result()
        # Not before both serve: a token that nobody was shown would be lost, and no other is made.
        _tell(loaded, platform.status.removeprefix("serving "), await _first_token(loaded))
        ends = {asyncio.ensure_future(one.process.wait()): one for one in (daemon, platform) if one.process}
        done, _ = await asyncio.wait((asked, *ends), return_when=asyncio.FIRST_COMPLETED)
        for task, one in ends.items():
            if task in done and asked not in done:
                print(f"scriptforge: `scriptforge {one.command}` has ended; see above", file=sys.stderr)
                return 1
        return 0

    async def _start(self, daemon: ServiceProcess, platform: ServiceProcess) -> None:
        await daemon.start(self._config, self._environment)
        await platform.start(self._config, self._environment)


async def _make_ready(loaded: LoadedConfiguration) -> None:
    """Make the database's tables."""
    from sidecar.catalog.database.tenants import ensure_operator  # noqa: PLC0415 - other commands do without SQL
    from sidecar.cli.database import actor  # noqa: PLC0415
    from sidecar.storage.schema import upgrade  # noqa: PLC0415

    async with _store(loaded) as store:
        await upgrade(store.storage)
        await ensure_operator(store, actor())


async def _first_token(loaded: LoadedConfiguration) -> str:
    """Make the first token where there is none; its text, or nothing."""
    from sidecar.catalog.database.tokens import SCOPES, list_tokens, make_token  # noqa: PLC0415
    from sidecar.catalog.model import OPERATOR  # noqa: PLC0415
    from sidecar.cli.database import actor  # noqa: PLC0415

    async with _store(loaded) as store, store.working(actor(), OPERATOR) as work:
        if await list_tokens(work, limit=1):
            return ""
        _, text = await make_token(work, FIRST_NAME, SCOPES)
        return text


@asynccontextmanager
async def _store(loaded: LoadedConfiguration) -> AsyncIterator["Store"]:
    from sidecar.catalog.database.work import Store  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    url = loaded.configuration.catalog.url
    assert url is not None  # noqa: S101 - set above
    store = Store(Storage(url, create=True))
    try:
        yield store
    finally:
        await store.close()


def _tell(loaded: LoadedConfiguration, http: str, token: str) -> None:
    configuration = loaded.configuration
    print(f"HTTP API    {http}/api/v1/")
    print(f"runs        {http}/run/UUID")
    sockets = [
        *([f"unix:{configuration.socket.unix}"] if configuration.socket.unix else []),
        *([str(configuration.socket.tcp)] if configuration.socket.tcp else []),
    ]
    if sockets:
        print(f"switches    {escaped(' '.join(sockets))}")
    if configuration.sip.listen:
        print(f"SIP         {escaped(' '.join(configuration.sip.listen))}")
    print(f"database    {escaped(str(configuration.catalog.url))}")
    if token:
        print(f"token       {token}")
        print("            the operator's, for everything; it is not shown again")
    else:
        make = f"scriptforge tokens create NAME --url {shlex.quote(str(configuration.catalog.url))}"
        print(f"token       as before; `{escaped(make)}` makes another")
    print("Ctrl-C ends both.", flush=True)
