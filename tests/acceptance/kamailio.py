"""A real Kamailio with the shipped configuration, on loopback addresses."""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.acceptance.processes import Program, free_port, is_bound, require_program, wait_until

CONFIGURATION = Path(__file__).parents[2] / "config" / "kamailio" / "kamailio.cfg"
ADDRESS = "127.0.0.10"
GATEWAYS = {"gw-one": "127.0.0.21", "gw-two": "127.0.0.22"}
CUSTOMERS = {
    "127.0.0.31": "headers",
    "127.0.0.32": "not_found",
    "127.0.0.33": "declined",
    "127.0.0.34": "caller_id",
    "127.0.0.35": "second_first",
    "127.0.0.36": "invents",
    "127.0.0.37": "endless",
    "127.0.0.38": "slow",
    "127.0.0.40": "credit",
    "127.0.0.45": "reads_sip",
    "127.0.0.46": "counts",
    "127.0.0.47": "asks_silence",
    "127.0.0.48": "asks_breaks",
    "127.0.0.39": "unassigned",
}
"""By source address; each but the last has the script of its name in ``scripts/`` assigned."""
CARRIER = "127.0.0.30"
"""Whose calls are for DIDs."""


class Kamailio:
    """Two gateways in priority order, ``gw-one`` before ``gw-two``, and a customer for each source address."""

    def __init__(
        self, directory: Path, definitions: Sequence[str] = (), customers: Mapping[str, str] = CUSTOMERS
    ) -> None:
        """``definitions``: settings of the configuration, ``NAME=VALUE``; ``customers``: by source address."""
        self.address = ADDRESS
        self.port = free_port(ADDRESS)
        self.evapi_port = free_port("127.0.0.1", socket.SOCK_STREAM)
        self.gateway_ports = {name: free_port(address) for name, address in GATEWAYS.items()}
        directory.mkdir(parents=True, exist_ok=True)
        addresses = directory / "address.list"
        addresses.write_text(
            "".join(f"1 {address} 32 0 {tag}\n" for address, tag in customers.items()) + f"2 {CARRIER} 32 0 carrier\n"
        )
        dispatchers = directory / "dispatcher.list"
        lines = [
            f"{group} sip:{address}:{self.gateway_ports[name]} 0 {20 - index} duid={name};cost={index + 1}\n"
            for group in (1, 2)
            for index, (name, address) in enumerate(GATEWAYS.items())
        ]
        dispatchers.write_text("".join(lines))
        settings = [
            f"LISTEN=udp:{self.address}:{self.port}",
            "LOG_STDERR=yes",
            "WORKERS=2",
            f'SCRIPTFORGE_EVAPI="127.0.0.1:{self.evapi_port}"',
            f'SCRIPTFORGE_ADDRESSES="{addresses}"',
            f'SCRIPTFORGE_DISPATCHERS="{dispatchers}"',
            *definitions,
        ]
        run = directory / "run"
        run.mkdir()
        command = [require_program("kamailio"), "-DD", "-E", "-x", "tlsf", "-m", "256", "-Y", str(run)]
        command += ["-f", str(CONFIGURATION)]
        for setting in settings:
            command += ["-A", setting]
        self.program = Program(command, directory / "kamailio.log", directory)

    @property
    def peer(self) -> str:
        """Where the sidecar connects to."""
        return f"127.0.0.1:{self.evapi_port}"

    def wait_until_ready(self) -> None:
        """Return once it listens for SIP and for a sidecar."""
        wait_until(
            lambda: (
                self.program.process.poll() is not None
                or (is_bound(self.address, self.port) and is_bound("127.0.0.1", self.evapi_port, "tcp"))
            ),
            "Kamailio listens",
        )
        assert self.program.process.poll() is None, "".join(self.program.lines("ERROR|CRITICAL")[-10:])

    def stop(self) -> None:
        """End it."""
        self.program.stop()
