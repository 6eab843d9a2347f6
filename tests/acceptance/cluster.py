"""Two machines with a daemon and a platform each, one with PostgreSQL and Valkey or Redis, and one with Kamailio: as
docs/clustering.md has it."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from sandbox.boot import NAME as WORKER_NAME
from tests.acceptance.kamailio import CONFIGURATION
from tests.acceptance.network import NETWORK, SWITCH, Network
from tests.acceptance.processes import Program, require_program, wait_until
from tests.acceptance.serving import ROOT, SCRIPTFORGE
from tests.acceptance.sipp import SCENARIOS
from tests.database_servers import Server, postgresql_program

DATA = "10.77.0.20"
MACHINES = {"east": "10.77.0.11", "west": "10.77.0.12"}
SECONDS = 60.0
SIP, GATEWAY, CALLER, EVAPI, HTTP = 5060, 5080, 5090, 8448, 8080
SETTINGS = """
[kamailio]
peers = ["{switch}:{evapi}"]
[catalog]
url = "postgresql://scriptforge@{data}:{postgresql}/postgres"
poll_seconds = 0.2
[shared]
url = "valkey://{data}:{valkey}/0"
name = "{name}"
[socket]
unix = "{folder}/daemon.sock"
[originate]
socket = "{folder}/platform.sock"
[metrics]
listen = ""
[voice]
records = ""
[sandbox]
workers = 1
[platform]
listen = "{address}:{http}"
metrics = ""
logs = ""
workers = 1
requests_a_second = 100000
[jobs]
lease_seconds = {lease}
poll_seconds = 0.2
at_once = 20
tenant_at_once = 0
"""


class Machine:
    """A daemon and a platform, on one configuration."""

    def __init__(self, name: str, network: Network, folder: Path, settings: str) -> None:
        self.name = name
        self.url = f"http://{MACHINES[name]}:{HTTP}"
        self._network = network
        self._folder = folder
        self._configuration = folder / "sidecar.toml"
        self._configuration.write_text(settings)
        inherited = {one: value for one, value in os.environ.items() if not one.startswith("SCRIPTFORGE_")}
        self._environment = {**inherited, "SCRIPTFORGE_CATALOG__LAST_GOOD": str(folder / "last-good")}
        self.programs: dict[str, Program] = {}

    def run(self, *words: str) -> str:
        """A command of ``scriptforge``."""
        command = [*self._network.launcher(self.name), SCRIPTFORGE, *words, "--config", str(self._configuration)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, role: str) -> None:
        """``serve`` or ``platform``."""
        command = [*self._network.launcher(self.name), SCRIPTFORGE, role, "--config", str(self._configuration)]
        log = self._folder / f"{role}.log"
        self.programs[role] = program = Program(command, log, ROOT, self._environment)
        program.wait_for('"action":"serving"', seconds=SECONDS)

    def workers(self, role: str) -> list[int]:
        """Process ids of the workers of one of both."""
        pid = self.programs[role].process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [int(child) for child in children if Path(f"/proc/{child}/comm").read_text().rstrip() == WORKER_NAME]

    def lines(self, role: str, pattern: str) -> int:
        """How many lines the process has logged, in all its lives."""
        return (self._folder / f"{role}.log").read_text().count(pattern)

    def stop(self) -> None:
        """End both."""
        for program in self.programs.values():
            program.stop()


class Cluster:
    """All of it, serving once constructed."""

    def __init__(self, folder: Path, shares: Mapping[str, int], lease: float = 2.0) -> None:
        """``shares``: which share of the calls each machine has."""
        self._stack = ExitStack()
        try:
            self._start(folder, shares, lease)
        except BaseException:
            self._stack.close()
            raise

    def _start(self, folder: Path, shares: Mapping[str, int], lease: float) -> None:
        self.folder = folder
        self.network = Network(folder)
        self._stack.callback(self.network.close)
        self.network.add("data", DATA)
        self.servers: dict[str, Server] = {}
        for name, prepare, command in (
            ("postgresql", _prepare_postgresql, _postgresql),
            ("valkey", _prepare_valkey, _valkey),
        ):
            server = self.servers[name] = Server(name, prepare, command, network=self.network.launcher("data"))
            self._stack.callback(server.close)
        self.machines: dict[str, Machine] = {}
        for name, address in MACHINES.items():
            self.network.add(name, address)
            own = folder / name
            own.mkdir()
            ports = {name: server.port for name, server in self.servers.items()}
            values = {"switch": SWITCH, "evapi": EVAPI, "data": DATA, "http": HTTP, "lease": lease}
            settings = SETTINGS.format(name=name, folder=own, address=address, **values, **ports)
            self.machines[name] = Machine(name, self.network, own, settings)
            self._stack.callback(self.machines[name].stop)
        east = self.machines["east"]
        east.run("db", "upgrade")
        self._kamailio(shares)
        for machine in self.machines.values():
            for role in ("serve", "platform"):
                machine.start(role)
        token = json.loads(east.run("tokens", "create", "tests", "--json"))["token"]
        self.clients = {
            name: httpx.Client(
                base_url=machine.url, headers={"Authorization": f"Bearer {token}"}, timeout=5.0, trust_env=False
            )
            for name, machine in self.machines.items()
        }
        for client in self.clients.values():
            self._stack.callback(client.close)

    def ask(self, machine: str, method: str, path: str, **more: Any) -> httpx.Response:
        """A request to a machine's platform. Raises httpx.TransportError."""
        return self.network.inside(lambda: self.clients[machine].request(method, path, **more))

    def calls(self, number: int, rate: int, seconds: int = 240) -> tuple[Program, Program]:
        """The gateway and the caller, who places so many calls at a rate; ``seconds`` is how long both last at most."""
        programs = []
        for scenario, port, more in (
            ("gateway", GATEWAY, []),
            ("caller", CALLER, [f"{SWITCH}:{SIP}", "-s", "4930123", "-r", str(rate)]),
        ):
            command = [
                *self.network.launcher("switch"),
                require_program("sipp"),
                "-sf",
                str(SCENARIOS / f"{scenario}.xml"),
            ]
            command += ["-i", SWITCH, "-p", str(port), "-m", str(number), "-nostdin", "-timeout", f"{seconds}s"]
            trace = self.folder / f"{scenario}.messages"
            command += ["-timeout_error", "-trace_msg", "-message_file", str(trace), *more]
            programs.append(Program(command, self.folder / f"{scenario}.log", self.folder))
            self._stack.callback(programs[-1].stop)
            if scenario == "gateway":
                wait_until(lambda: self.network.is_bound("switch", SWITCH, GATEWAY, "udp"), "the gateway listens")
        return programs[0], programs[1]

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def _kamailio(self, shares: Mapping[str, int]) -> None:
        (self.folder / "address.list").write_text(f"1 {SWITCH} 32 0 acme\n")
        (self.folder / "dispatcher.list").write_text(f"1 sip:{SWITCH}:{GATEWAY} 0 20 duid=gw\n")
        run = self.folder / "run"
        run.mkdir()
        peers = ",".join(f"{MACHINES[name]}={share}" for name, share in shares.items())
        settings = [
            f"LISTEN=udp:{SWITCH}:{SIP}",
            "LOG_STDERR=yes",
            "WORKERS=2",
            f'SCRIPTFORGE_EVAPI="{SWITCH}:{EVAPI}"',
            f'SCRIPTFORGE_PEER="{peers}"',
            f'SCRIPTFORGE_ADDRESSES="{self.folder}/address.list"',
            f'SCRIPTFORGE_DISPATCHERS="{self.folder}/dispatcher.list"',
        ]
        command = [
            *self.network.launcher("switch"),
            require_program("kamailio"),
            "-DD",
            "-E",
            "-x",
            "tlsf",
            "-m",
            "256",
        ]
        command += ["-Y", str(run), "-f", str(CONFIGURATION)]
        for setting in settings:
            command += ["-A", setting]
        self.kamailio = Program(command, self.folder / "kamailio.log", self.folder)
        self._stack.callback(self.kamailio.stop)
        wait_until(lambda: self.network.is_bound("switch", SWITCH, EVAPI, "tcp"), "Kamailio listens")


def kill_server(server: Server) -> None:
    """End it as a crash would."""
    server.program.signal(signal.SIGKILL)
    server.program.process.wait()


def _prepare_postgresql(data: Path, launcher: Sequence[str]) -> None:
    command = [postgresql_program("initdb"), "-D", str(data), "-U", "scriptforge", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*launcher, *command, "--locale=C", "--no-sync"], check=True, capture_output=True, cwd="/")
    with (data / "pg_hba.conf").open("a") as hba:
        hba.write(f"host all all {NETWORK} trust\n")


def _postgresql(data: Path, port: int) -> list[str]:
    quick = ["-c", "fsync=off", "-c", f"unix_socket_directories={data}", "-c", "max_connections=100"]
    return [postgresql_program("postgres"), "-D", str(data), "-h", DATA, "-p", str(port), *quick]


def _prepare_valkey(data: Path, launcher: Sequence[str]) -> None:
    subprocess.run([*launcher, "mkdir", str(data)], check=True, cwd="/")


def _valkey(data: Path, port: int) -> list[str]:
    program = shutil.which("valkey-server") or require_program("redis-server")
    kept = ["--dir", str(data), "--appendonly", "yes", "--save", "", "--protected-mode", "no"]
    return [program, "--bind", DATA, "--port", str(port), *kept]


def jobs_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The jobs of a page."""
    found: list[dict[str, Any]] = json.loads(answer.raise_for_status().text)["items"]
    return found
