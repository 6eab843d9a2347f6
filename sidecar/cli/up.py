"""``scriptforge up``: the call daemon and the platform on this machine, on one SQLite file, for a desk."""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sidecar.configuration.source import DEFAULT_ORIGIN, LoadedConfiguration, load_configuration
from sidecar.errors import ConfigurationError, SidecarError
from sidecar.switches.this_machine import missing_for_platform
from sidecar.text import escaped

START_SECONDS: Final = 60.0
END_SECONDS: Final = 90.0
"""More than calls that are up have by default, and the closing after them."""
FIRST_NAME: Final = "first token"
_MAIN: Final = "import sys; from sidecar.cli import main; sys.exit(main())"


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
    folder = arguments.data.absolute()
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--data: {folder} cannot be made: {error.strerror}") from error
    environment = _environment(loaded, folder)
    return asyncio.run(_Up(arguments.config, environment).run())


def _environment(loaded: LoadedConfiguration, folder: Path) -> dict[str, str]:
    """What both are told: everything in the folder, but for what the operator has set."""
    wanted = {
        ("catalog", "url"): f"sqlite:///{folder / 'platform.db'}",
        ("catalog", "last_good"): str(folder / "last-good"),
        ("socket", "unix"): str(folder / "scriptforge.sock"),
        ("voice", "sounds"): str(folder / "sounds"),
        ("voice", "recordings"): str(folder / "recordings"),
        ("voice", "cache"): str(folder / "cache"),
        ("voice", "records"): str(folder / "calls"),
        ("platform", "logs"): str(folder / "script-logs"),
        ("log", "format"): "text" if sys.stderr.isatty() else "json",
    }
    environment = dict(os.environ)
    for path, value in wanted.items():
        if loaded.origins.get(path, DEFAULT_ORIGIN) == DEFAULT_ORIGIN:
            environment[f"SCRIPTFORGE_{'__'.join(path).upper()}"] = value
    return environment


class _Child:
    """One of the two. Its word that it is ready comes as to a service manager (sd_notify(3))."""

    def __init__(self, command: str, folder: Path) -> None:
        self.command = command
        self._folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.status = ""
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._path = str(folder / command)
        self._told.bind(self._path)

    async def start(self, config: Path | None, environment: Mapping[str, str]) -> None:
        """Start it, and return once it is ready. Raises SidecarError."""
        options = ["--config", str(config)] if config is not None else []
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _MAIN, self.command, *options),
            env={**environment, "NOTIFY_SOCKET": self._path},
            # Ctrl-C is told to the group of the terminal: both are ended by us, in their order.
            start_new_session=True,
        )
        ready = asyncio.ensure_future(self._ready())
        ended = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.wait((ready, ended), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise SidecarError(f"`scriptforge {self.command}` has not started; see above")
        finally:
            ready.cancel()
            ended.cancel()
            self._told.close()

    async def _ready(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            said = dict(
                line.partition("=")[::2] for line in (await loop.sock_recv(self._told, 65_536)).decode().splitlines()
            )
            if said.get("READY") == "1":
                self.status = said.get("STATUS", "")
                return

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def end(self) -> None:
        """Have it end in order, and return once it has."""
        if self.process is None:
            return
        self.tell(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.tell(signal.SIGKILL)
            await self.process.wait()


class _Up:
    def __init__(self, config: Path | None, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment

    async def run(self) -> int:
        loaded = load_configuration(self._config, self._environment)
        token = await _make_ready(loaded)
        asked_to_end = asyncio.Event()
        loop = asyncio.get_running_loop()
        with tempfile.TemporaryDirectory(prefix="scriptforge-") as name:
            daemon, platform = _Child("serve", Path(name)), _Child("platform", Path(name))

            def end() -> None:
                if asked_to_end.is_set():
                    # Once more: what is waited for is cut, as by a second signal to each.
                    for one in (platform, daemon):
                        one.tell(signal.SIGTERM)
                asked_to_end.set()

            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, end)
            try:
                status = await self._both(daemon, platform, loaded, token, asked_to_end)
            finally:
                # Who asks over HTTP first; calls are decided until there is nobody else.
                await platform.end()
                await daemon.end()
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.remove_signal_handler(number)
        return status

    async def _both(
        self,
        daemon: _Child,
        platform: _Child,
        loaded: LoadedConfiguration,
        token: str,
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
        _tell(loaded, platform.status.removeprefix("serving "), token)
        ends = {asyncio.ensure_future(one.process.wait()): one for one in (daemon, platform) if one.process}
        done, _ = await asyncio.wait((asked, *ends), return_when=asyncio.FIRST_COMPLETED)
        for task, one in ends.items():
            if task in done and asked not in done:
                print(f"scriptforge: `scriptforge {one.command}` has ended; see above", file=sys.stderr)
                return 1
        return 0

    async def _start(self, daemon: _Child, platform: _Child) -> None:
        await daemon.start(self._config, self._environment)
        await platform.start(self._config, self._environment)


async def _make_ready(loaded: LoadedConfiguration) -> str:
    """Make the database's tables, and the first token where there is none; its text, or nothing."""
    from sidecar.catalog.database.tenants import ensure_operator  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.database.tokens import SCOPES, list_tokens, make_token  # noqa: PLC0415
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
            if await list_tokens(work, limit=1):
                return ""
            _, text = await make_token(work, FIRST_NAME, SCOPES)
            return text
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
        print("token       as before; `scriptforge tokens create NAME --url ...` makes another")
    print("Ctrl-C ends both.", flush=True)
