"""``scriptforge serve`` in its own process with the scripts and the configuration of one test."""

import json
import os
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sandbox.boot import NAME as WORKER_NAME
from sipio.rpc.client import RpcClient
from tests.acceptance.processes import Program, wait_until
from tests.acceptance.service_manager import ServiceManager

ROOT = Path(__file__).parents[2]
SCRIPTFORGE = str(Path(sys.executable).with_name("scriptforge"))
DESTINATION = {"name": "one", "gw": {"7": {"cli": "+31201234567", "host": "192.0.2.7"}}}


def request(customer: str, call_id: str = "call", /, **more: Any) -> dict[str, Any]:
    """Parameters of ``route``; ``routing`` is updated by what is given of it."""
    routing = {"account_id": 42, "cli": "+31201234567", "dest_number": "31887654321", "egress_routing": [DESTINATION]}
    return {"call_id": call_id, "customer": customer, **more, "routing": routing | more.get("routing", {})}


class Serving:
    """One daemon: started by the constructor, serving once ``ready`` has returned."""

    def __init__(
        self,
        directory: Path,
        scripts: Mapping[str, str],
        assignments: str | None = None,
        configuration: str = "",
        environment: Mapping[str, str] | None = None,
        launcher: tuple[str, ...] = (),
        manager: ServiceManager | None = None,
    ) -> None:
        """``assignments`` is the TOML, or None for a customer of each script's name. ``configuration`` comes after
        the socket, the catalog and the metrics page, which the environment sets."""
        self.directory = directory
        self.catalog = directory / "catalog"
        self.socket = directory / "daemon.sock"
        self.platform_socket = directory / "platform.sock"
        (self.catalog / "scripts").mkdir(parents=True, exist_ok=True)
        for name, text in scripts.items():
            self.write(name, text)
        if assignments is None:
            assignments = "".join(f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\n' for name in scripts)
        self.assign(assignments)
        file = directory / "sidecar.toml"
        file.write_text(configuration, encoding="utf-8")
        managed = manager.environment if manager is not None else {}
        if manager is not None:
            launcher = (*manager.launcher(), *launcher)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCRIPTFORGE_")}
        given = {
            "SCRIPTFORGE_SOCKET__UNIX": str(self.socket),
            "SCRIPTFORGE_ORIGINATE__SOCKET": str(self.platform_socket),
            "SCRIPTFORGE_CATALOG__DIRECTORY": str(self.catalog),
            "SCRIPTFORGE_CATALOG__LAST_GOOD": str(directory / "last-good"),
            "SCRIPTFORGE_CATALOG__WATCH_SECONDS": "0.05",
            "SCRIPTFORGE_METRICS__LISTEN": "",
            "SCRIPTFORGE_VOICE__RECORDS": "",
            "SCRIPTFORGE_SANDBOX__WORKERS": "1",
        }
        self.program = Program(
            [*launcher, SCRIPTFORGE, "serve", "--config", str(file)],
            directory / "daemon.log",
            ROOT,
            environment=inherited | given | managed | dict(environment or {}),
            descriptors=manager.descriptors if manager is not None else (),
        )

    def write(self, script: str, text: str) -> None:
        """Put a script in place as deployments do, whole."""
        file = self.catalog / "scripts" / f"{script}.js"
        draft = file.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)

    def assign(self, text: str) -> None:
        """Put ``assignments.toml`` in place."""
        draft = self.catalog / "assignments.new"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.catalog / "assignments.toml")

    def ready(self) -> "Serving":
        """Return once it serves."""
        self.program.wait_for('"action":"serving"')
        return self

    @property
    def pid(self) -> int:
        return self.program.process.pid

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        return [pid for pid in self.children() if _name(pid) == WORKER_NAME]

    def children(self) -> list[int]:
        """Process ids of its workers, and of what it has them forked from."""
        with suppress(FileNotFoundError):
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
            return [int(pid) for pid in text.split()]
        return []

    def send(self, number: signal.Signals) -> None:
        """A signal to the daemon alone."""
        os.kill(self.pid, number)

    def records(self, action: str = "decision") -> list[dict[str, Any]]:
        """The log lines of one action."""
        found = [json.loads(line) for line in self.program.lines(f'"action":"{action}"')]
        return [line for line in found if line["action"] == action]

    def record(self, call_id: str) -> dict[str, Any]:
        """The decision record of a call, once it is written."""
        line = self.program.wait_for(f'"action":"decision".*"call_id":"{re.escape(call_id)}"')
        found: dict[str, Any] = json.loads(line)
        return found

    def accepts(self) -> bool:
        """Whether it takes connections: there is a moment in which the socket's file exists and nobody listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    async def client(self) -> RpcClient:
        """A connection to its unix socket."""
        return await RpcClient.connect(f"unix:{self.socket}")

    def stop(self) -> None:
        """End it whatever it is doing; nothing of it stays."""
        children = self.children()
        self.program.stop()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "workers gone")


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").rstrip()
    return ""


def page(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """Status and body of the metrics port's page."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics(port: int, host: str = "127.0.0.1") -> dict[tuple[str, ...], float]:
    """Every sample by its name and its label values, in the order of the labels' names."""
    status, text = page(port, "/metrics", host)
    assert status == 200, text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
