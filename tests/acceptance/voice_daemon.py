"""``scriptforge serve`` with the embedded SIP agent and scripts that drive its calls."""

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sipio.media.g711 import Samples
from sipio.media.wav_writer import WavWriter
from tests.acceptance.processes import free_port, wait_until
from tests.acceptance.serving import Serving

HOST = "127.0.0.60"


def main(body: str) -> str:
    """A script with this body."""
    return f"async function main(data, ctx) {{\n{body}\n}}\n"


def write_wav(path: Path, samples: Samples) -> Path:
    """A sound at 8 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with WavWriter(path, 1) as writer:
        writer.write(samples.astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> list[Samples]:
    """The channels of a recording."""
    data = path.read_bytes()
    channels = int.from_bytes(data[22:24], "little")
    samples = np.frombuffer(data[44:], "<i2").reshape(-1, channels)
    return [samples[:, channel].astype(np.int16) for channel in range(channels)]


class VoiceDaemon:
    """One daemon; every script is a destination of its own name, its calls those of the customer ``acme``."""

    def __init__(
        self,
        directory: Path,
        scripts: Mapping[str, str],
        *,
        voice: str = "",
        sip: str = "",
        more: str = "",
        accounts: str = "",
        routes: str = "",
        files: Mapping[str, str] | None = None,
        launcher: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        host: str = HOST,
        transports: tuple[str, ...] = ("udp",),
    ) -> None:
        """``scripts`` are bodies of ``main``, or whole scripts where they have one; ``voice`` and ``sip`` go into
        those sections; ``routes`` after the assignments, ``files`` beside the scripts."""
        self.host = host
        self.sounds = directory / "sounds"
        self.recordings = directory / "recordings"
        self.ports = {
            transport: free_port(host, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
            for transport in transports
        }
        if accounts:
            (directory / "sip.toml").write_text(accounts, encoding="utf-8")
            (directory / "sip.toml").chmod(0o600)
            sip += f"\naccounts = {json.dumps(str(directory / 'sip.toml'))}\n"
        listen = [f"{transport}:{host}:{port}" for transport, port in self.ports.items()]
        configuration = (
            f"[sip]\nlisten = {json.dumps(listen)}\n{sip}\n"
            f"[voice]\nsounds = {json.dumps(str(self.sounds))}\n"
            + ("" if "recordings" in voice else f"recordings = {json.dumps(str(self.recordings))}\n")
            + ("" if "drain_seconds" in voice else "drain_seconds = 0.1\n")
            + f"{voice}\n{more}"
        )
        beside = {Path(name).stem: text for name, text in (files or {}).items()}
        self.serving = Serving(
            directory,
            {name: self.text(text) for name, text in scripts.items()} | beside,
            "".join(self.entry(name) for name in scripts) + routes,
            configuration=configuration,
            environment=environment,
            launcher=launcher,
        )

    @staticmethod
    def text(script: str) -> str:
        """The whole script."""
        return script if "main(" in script else main(script)

    @staticmethod
    def entry(name: str) -> str:
        """A script and its destination in ``assignments.toml``."""
        return (
            f'[[script]]\nfile = "{name}.js"\nkind = "app"\n'
            f'[[destination]]\ndestination = "{name}"\nscript = "{name}"\ncustomer = "acme"\n'
        )

    def ready(self) -> "VoiceDaemon":
        """Return once it serves."""
        self.serving.ready()
        return self

    @property
    def port(self) -> int:
        return self.ports["udp"]

    @property
    def address(self) -> str:
        """``host:port`` over UDP."""
        return f"{self.host}:{self.port}"

    def uri(self, destination: str, transport: str = "udp") -> str:
        """What to call."""
        return f"sip:{destination}@{self.host}:{self.ports[transport]};transport={transport}"

    @property
    def position(self) -> int:
        """To count records from here."""
        return self.serving.program.position

    def record(self, call_id: str = "", since: int = 0) -> dict[str, Any]:
        """The record of a call, or the first one since, once it is written."""
        pattern = f'"action":"call".*"id":"{re.escape(call_id)}' if call_id else '"action":"call"[,}]'
        found: dict[str, Any] = json.loads(self.serving.program.wait_for(pattern, since))
        return found

    def records(self, count: int, since: int = 0) -> list[dict[str, Any]]:
        """So many records, once they are written."""

        def all_there() -> bool:
            return len(self.serving.program.lines('"action":"call"[,}]', since)) >= count

        wait_until(all_there, f"{count} call records")
        return [json.loads(line) for line in self.serving.program.lines('"action":"call"[,}]', since)]

    def stop(self) -> None:
        self.serving.stop()
