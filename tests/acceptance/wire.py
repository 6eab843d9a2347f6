"""Callers and gateways of one test, around one Kamailio."""

from pathlib import Path

from tests.acceptance.kamailio import CUSTOMERS, GATEWAYS, Kamailio
from tests.acceptance.sipp import SilentGateway, Sipp

_SOURCES = {customer: address for address, customer in CUSTOMERS.items()}


class Wire:
    """Starts them, and ends them all."""

    def __init__(self, kamailio: Kamailio, directory: Path) -> None:
        self._kamailio = kamailio
        self._directory = directory
        self._programs: list[Sipp | SilentGateway] = []

    def gateway(self, name: str, scenario: str = "gateway", calls: int = 1) -> Sipp:
        """A gateway with a scenario of ``sipp/``, listening once this returns."""
        port = self._kamailio.gateway_ports[name]
        sipp = Sipp(self._directory, scenario, GATEWAYS[name], port=port, calls=calls)
        self._programs.append(sipp)
        return sipp.wait_until_bound()

    def silent_gateway(self, name: str) -> SilentGateway:
        """A gateway that says nothing."""
        silent = SilentGateway(GATEWAYS[name], self._kamailio.gateway_ports[name])
        self._programs.append(silent)
        return silent

    def caller(
        self,
        customer: str,
        scenario: str = "caller",
        *,
        status: int = 404,
        calls: int = 1,
        rate: int = 10,
        source: str = "",
        replace: tuple[str, str] | None = None,
    ) -> Sipp:
        """Place calls of a customer; for the scenario ``refused``, ``status`` is what they must end with."""
        sipp = Sipp(
            self._directory,
            scenario,
            source or _SOURCES[customer],
            options=(
                f"{self._kamailio.address}:{self._kamailio.port}",
                "-s",
                "4930123",
                "-r",
                str(rate),
            ),
            replace=replace or ('response="404"', f'response="{status}"'),
            calls=calls,
        )
        self._programs.append(sipp)
        return sipp

    def stop(self) -> None:
        """End all of them."""
        for program in self._programs:
            program.stop()
