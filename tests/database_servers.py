"""Real database servers, each a process of its own on loopback over a temporary folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import ClassVar

from tests.acceptance.processes import INSTALL, Program, free_port, require_program

HOST = "127.0.0.1"
START_SECONDS = 60.0
_numbers = count(1)


def unprivileged() -> list[str]:
    """What a command is begun with where servers refuse to run as root."""
    if os.geteuid() != 0:
        return []
    return [require_program("setpriv"), "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]


def own_folder(name: str) -> Path:
    """A folder of whoever runs the server, below no folder of root's."""
    folder = Path(tempfile.mkdtemp(prefix=f"scriptforge-{name}-"))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return folder


class SmallDisk:
    """A file system of so many megabytes over a folder, which nobody sees but who is launched into it. For root."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder = folder
        folder.chmod(0o777)
        mount = f'mount -t tmpfs -o size={megabytes}m,mode=0777 tmpfs "$0" && echo mounted && exec sleep infinity'
        command = [require_program("unshare"), "--mount", "sh", "-c", mount, str(folder)]
        self._holder = Program(command, Path(tempfile.gettempdir(), f"{folder.name}-disk.log"), Path("/"))
        self._holder.wait_for("mounted")
        # As its server, it outlives no test run.
        Program.running.remove(self._holder)
        self.launcher = [require_program("nsenter"), f"--mount=/proc/{self._holder.process.pid}/ns/mnt", "--"]

    @property
    def _filler(self) -> Path:
        return Path(f"/proc/{self._holder.process.pid}/root{self._folder}/filler")

    def fill(self) -> None:
        """Leave no room."""
        command = ["dd", "if=/dev/zero", f"of={self._filler}", "bs=4096"]
        assert subprocess.run(command, capture_output=True, check=False).returncode, "there is room still"

    def make_room(self) -> None:
        """Have what there was before it was filled."""
        self._filler.unlink()

    def close(self) -> None:
        """Let go of it, with all that is on it."""
        Program.running.append(self._holder)
        self._holder.stop()
        Path(tempfile.gettempdir(), f"{self._folder.name}-disk.log").unlink(missing_ok=True)


class Server:
    """A server that runs, and databases in it."""

    def __init__(
        self,
        name: str,
        prepare: Callable[[Path, Sequence[str]], None],
        command: Callable[[Path, int], Sequence[str]],
        megabytes: int = 0,
        network: Sequence[str] = (),
    ) -> None:
        """``prepare`` makes its data, by commands that begin with what it is given; ``megabytes`` is the size of a disk
        of its own, 0 for none; ``network`` is what starts it in a network of its own."""
        self.folder = own_folder(name)
        self.port = free_port(HOST, socket.SOCK_STREAM)
        self.disk = SmallDisk(self.folder, megabytes) if megabytes else None
        launcher = [*(self.disk.launcher if self.disk is not None else []), *unprivileged()]
        prepare(self.folder / "data", launcher)
        self._command = [*network, *launcher, *command(self.folder / "data", self.port)]
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had before."""
        self.program = Program(self._command, Path(tempfile.gettempdir(), f"{self.folder.name}.log"), Path("/"))
        self.program.wait_for("[Rr]eady (to accept|for) connections", seconds=START_SECONDS)
        # It outlives the test that it was started for; that nothing does is asked after each of them.
        Program.running.remove(self.program)

    def stop(self) -> None:
        """End it; its data stays."""
        Program.running.append(self.program)
        self.program.stop()

    def close(self) -> None:
        """End it, and remove everything."""
        self.stop()
        if self.disk is not None:
            self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        Path(tempfile.gettempdir(), f"{self.folder.name}.log").unlink(missing_ok=True)


class Servers:
    """Those that a test run has started."""

    running: ClassVar[dict[str, Server]] = {}

    @classmethod
    def get(cls, name: str) -> Server:
        """The server, started for its first test."""
        if name not in cls.running:
            start: dict[str, Callable[[], Server]] = {"postgresql": postgresql, "mysql": mariadb, "valkey": valkey}
            cls.running[name] = start[name]()
        return cls.running[name]

    @classmethod
    def close(cls) -> None:
        """End all of them."""
        while cls.running:
            cls.running.popitem()[1].close()


def new_database(name: str, server: Server | None = None) -> str:
    """The address of an empty database."""
    server = server or Servers.get(name)
    database = f"scriptforge_{os.getpid()}_{next(_numbers)}"
    if name == "postgresql":
        command = [
            postgresql_program("psql"),
            "-h",
            HOST,
            "-p",
            str(server.port),
            "-U",
            "scriptforge",
            "-d",
            "postgres",
        ]
        _run([*command, "-q", "-c", f'CREATE DATABASE "{database}" TEMPLATE template0'])
        return f"postgresql://scriptforge:unused@{HOST}:{server.port}/{database}"
    command = [require_program("mariadb"), "--no-defaults", "-h", HOST, "-P", str(server.port), "-u", "scriptforge"]
    _run([*command, "-psecret", "-e", f"CREATE DATABASE `{database}`"])
    return f"mysql://scriptforge:secret@{HOST}:{server.port}/{database}"


def postgresql(megabytes: int = 0) -> Server:
    """A PostgreSQL that lets everybody on this machine in."""

    def prepare(data: Path, launcher: Sequence[str]) -> None:
        initdb = [postgresql_program("initdb"), "-D", str(data), "-U", "scriptforge", "-A", "trust", "-E", "UTF8"]
        _run([*launcher, *initdb, "--locale=C", "--no-sync", "--wal-segsize=1"])

    def command(data: Path, port: int) -> list[str]:
        quick = ["-c", "fsync=off", "-c", f"unix_socket_directories={data}", "-c", "max_connections=60"]
        quick += ["-c", "min_wal_size=2MB", "-c", "max_wal_size=32MB"]
        return [postgresql_program("postgres"), "-D", str(data), "-h", HOST, "-p", str(port), *quick]

    return Server("postgresql", prepare, command, megabytes)


def mariadb(megabytes: int = 0) -> Server:
    """A MariaDB with the user ``scriptforge`` and the password ``secret``."""
    require_program("mariadbd")
    small = ["--innodb-log-file-size=4M"]

    def prepare(data: Path, launcher: Sequence[str]) -> None:
        install = [require_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        _run([*launcher, *install, "--auth-root-authentication-method=normal", *small])
        text = "CREATE USER scriptforge@'%' IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO scriptforge@'%';\n"
        subprocess.run(
            [*launcher, require_program("mariadbd"), "--no-defaults", f"--datadir={data}", *small, "--bootstrap"],
            input=f"FLUSH PRIVILEGES;\n{text}",
            text=True,
            check=True,
            capture_output=True,
            cwd="/",
        )

    def command(data: Path, port: int) -> list[str]:
        quick = [f"--socket={data}/mariadb.sock", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"]
        listen = [f"--bind-address={HOST}", f"--port={port}"]
        return [require_program("mariadbd"), "--no-defaults", f"--datadir={data}", *listen, *small, *quick]

    return Server("mariadb", prepare, command, megabytes)


def valkey(*network: str) -> Server:
    """A Valkey, or a Redis where there is none; what it has outlives it. ``network`` starts it in one of its own."""
    program = shutil.which("valkey-server") or require_program("redis-server")

    def prepare(data: Path, launcher: Sequence[str]) -> None:
        _run([*launcher, "mkdir", str(data)])

    def command(data: Path, port: int) -> list[str]:
        kept = ["--dir", str(data), "--appendonly", "yes", "--appendfsync", "no", "--save", ""]
        return [program, "--bind", HOST, "--port", str(port), *kept]

    return Server("valkey", prepare, command, network=network)


@cache
def postgresql_program(name: str) -> str:
    """A program of PostgreSQL's: Debian has those of the server in no folder of the PATH."""
    found = shutil.which(name) or next((str(one) for one in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    assert found is not None, f"{name} of PostgreSQL is not installed: {INSTALL}"
    return found


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{command[0]}: {done.stderr or done.stdout}"
