"""SIPp at both ends of a call, and what it saw on the wire."""

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from sipio.sip import Request, Response, parse_message
from tests.acceptance.processes import Program, free_port, is_bound, require_program, wait_until

SCENARIOS = Path(__file__).parent / "sipp"
_TRACED = re.compile(rb"UDP message (sent|received) [\[(](\d+)[\]]? bytes\)? ?:\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Traced:
    """One message of a SIPp trace."""

    received: bool
    message: Request | Response


def read_trace(path: Path) -> list[Traced]:
    """Every message of a SIPp message file in order."""
    data = path.read_bytes()
    return [
        Traced(found[1] == b"received", parse_message(data[found.end() : found.end() + int(found[2])]))
        for found in _TRACED.finditer(data)
    ]


class Sipp:
    """One SIPp with one scenario, which ends by itself after its calls."""

    def __init__(
        self,
        directory: Path,
        scenario: str,
        address: str,
        *,
        port: int = 0,
        options: tuple[str, ...] = (),
        replace: tuple[str, str] = ("", ""),
        calls: int = 1,
    ) -> None:
        """``replace``: text of the scenario file to put another text for."""
        number = len(list(directory.glob("sipp-*.xml")))
        file = directory / f"sipp-{number}-{scenario}.xml"
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        file.write_text(text.replace(*replace) if replace[0] else text)
        self.address = address
        self.port = port or free_port(address)
        self.trace = file.with_suffix(".messages")
        command = [require_program("sipp"), "-sf", str(file), "-i", address, "-p", str(self.port)]
        command += ["-m", str(calls), "-nostdin", "-timeout", "20s", "-timeout_error", "-trace_msg"]
        command += ["-message_file", str(self.trace), *options]
        self.program = Program(command, file.with_suffix(".log"), directory)

    def wait_until_bound(self) -> "Sipp":
        """Return once it listens."""
        wait_until(lambda: self.program.process.poll() is not None or is_bound(self.address, self.port), "SIPp listens")
        assert self.program.process.poll() is None, f"SIPp ended: {self.program.lines('.')}"
        return self

    def finish(self) -> list[Traced]:
        """Wait for the end of its calls, all as the scenario says; what it saw."""
        status = self.program.finish()
        trace = read_trace(self.trace) if self.trace.exists() else []
        said = [item.message.raw.split(b"\r\n")[0] for item in trace]
        assert status == 0, f"{self.trace.name}: exit status {status}, last messages {said[-12:]}"
        return trace

    def stop(self) -> None:
        """End it, its calls done or not."""
        self.program.stop()


class SilentGateway:
    """Receives and says nothing."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self._socket.settimeout(60)

    def receive(self) -> Request | Response:
        """The next message, once it is here."""
        return parse_message(self._socket.recv(65_535))

    def stop(self) -> None:
        """Close its socket."""
        self._socket.close()


def requests(trace: list[Traced], method: str) -> list[Request]:
    """The requests received with this method, in order."""
    return [
        item.message
        for item in trace
        if item.received and isinstance(item.message, Request) and item.message.method == method
    ]


def final_response(trace: list[Traced]) -> Response:
    """The first final response received."""
    return next(
        item.message
        for item in trace
        if item.received and isinstance(item.message, Response) and item.message.status >= 200
    )


def only_invite(trace: list[Traced]) -> Request:
    """The one INVITE received."""
    invites = requests(trace, "INVITE")
    assert len(invites) == 1
    return invites[0]
