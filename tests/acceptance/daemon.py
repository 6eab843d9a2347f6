"""The sidecar under test: ``scriptforge serve`` in its own process, with the scripts of ``scripts/`` and one module of
the host more."""

import json
import signal
import subprocess
from pathlib import Path

from tests.acceptance.kamailio import CUSTOMERS, Kamailio
from tests.acceptance.processes import Program
from tests.acceptance.serving import SCRIPTFORGE
from tests.acceptance.with_host_modules import LAUNCHER

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
APPS = {"asks_breaks", "asks_silence", "counts", "credit", "declined", "slow"}
"""The scripts that use promises."""
VARS = {"credit": "{ account = 42 }"}
TIMEOUTS = {"endless": 300, "slow": 2_000}


def _assignments(pages: int) -> str:
    environment = f'environment = {{ CREDIT = "http://127.0.0.1:{pages}/" }}\n'
    lines = [f'[[script]]\nfile = "{script}.js"\nkind = "app"\n{environment}' for script in sorted(APPS)]
    for customer in CUSTOMERS.values():
        if (SCRIPTS / f"{customer}.js").exists():
            lines.append(
                f'[[route]]\ncustomer = "{customer}"\nscript = "{customer}"\n'
                f"timeout_ms = {TIMEOUTS.get(customer, 1_000)}\n"
                'timeout_action = "503 Script Timeout"\nerror_action = "500 Script Error"\n'
                f"vars = {VARS.get(customer, '{}')}\n"
            )
    return "\n".join(lines)


class Daemon:
    """Decides for one or more Kamailios. Connected once constructed."""

    def __init__(self, directory: Path, kamailios: list[Kamailio], pages: int = 1) -> None:
        """``pages`` is the port of what scripts ask over HTTP."""
        catalog = directory / "catalog"
        (catalog / "scripts").mkdir(parents=True)
        for script in SCRIPTS.glob("*.js"):
            (catalog / "scripts" / script.name).write_bytes(script.read_bytes())
        (catalog / "assignments.toml").write_text(_assignments(pages))
        values = directory / "values.db"
        subprocess.run([SCRIPTFORGE, "db", "upgrade", "--url", f"sqlite:///{values}"], check=True)
        configuration = directory / "sidecar.toml"
        peers = [kamailio.peer for kamailio in kamailios]
        configuration.write_text(
            f"[socket]\nunix = {json.dumps(str(directory / 'daemon.sock'))}\n"
            f"[kamailio]\npeers = {json.dumps(peers)}\n"
            f"[catalog]\ndirectory = {json.dumps(str(catalog))}\n"
            f'[storage]\nurl = "sqlite:///{values}"\n[outgoing]\nnetworks = ["127.0.0.1/32"]\n'
            '[metrics]\nlisten = ""\n[log]\nlevel = "debug"\n'
        )
        before = [kamailio.program.position for kamailio in kamailios]
        command = [
            *LAUNCHER,
            SCRIPTFORGE,
            "serve",
            "--config",
            str(configuration),
        ]
        self.program = Program(command, directory / "daemon.log", ROOT)
        for kamailio, position in zip(kamailios, before, strict=True):
            kamailio.program.wait_for("sidecar connected", position)

    def kill(self) -> None:
        """End it as a crash would."""
        self.program.signal(signal.SIGKILL)
        self.program.finish()

    def freeze(self) -> None:
        """Stop it where it is: its sockets stay open and nobody reads them."""
        self.program.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.program.signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        self.program.stop()
