"""Lookups of numbers (number portability, home location, abuse scores ...) at the operator's HTTP services."""

import logging
import re
from typing import Any, Final
from urllib.parse import quote

import msgspec

from sidecar.configuration.host_sections import LookupSection
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.lookup_services import read_services
from sidecar.hosts.outgoing.client import OutgoingClient
from sidecar.hosts.outgoing.exchange import OutgoingFailed, OutgoingRequest
from sidecar.hosts.outgoing.policy import policy
from sidecar.hosts.outgoing.settings import OutgoingSettings
from sidecar.hosts.rates import Rate

logger = logging.getLogger(__name__)

_NUMBER: Final = re.compile(r"\+?[0-9*#]{1,32}")


class Lookups:
    """Asks them. Lives on one event loop."""

    def __init__(self, section: LookupSection) -> None:
        """Raises ConfigurationError for a file of services that cannot be used."""
        self._services = read_services(section.services_file)
        self._clients: dict[str, OutgoingClient] = {}
        self._rate = Rate("lookups", section.per_minute)
        for name, service in self._services.items():
            host, port = service.place
            # It is the operator's own, wherever that is; a redirect leads to no other name.
            gate = policy([host], ["0.0.0.0/0", "::/0"], [port] if port is not None else [])
            self._clients[name] = OutgoingClient(OutgoingSettings(policy=gate, timeout_seconds=section.timeout_seconds))

    async def close(self) -> None:
        """End every request."""
        for client in self._clients.values():
            await client.close()

    async def ask(self, tenant: str, name: str, number: str) -> Any:
        """What a service answers: JSON where it is some, else the text. Raises HostError."""
        service = self._services.get(name)
        if service is None:
            raise HostError(f"there is no lookup {name[:40]} here: the operator has named none (lookup.services_file)")
        if _NUMBER.fullmatch(number) is None:
            raise HostError(f"{number[:40]!r} is no number to look up", "TypeError")
        await self._rate.require(tenant)
        headers = [("Accept", "application/json")]
        if service.authorization:
            headers.append(("Authorization", service.authorization))
        url = service.url.replace("{number}", quote(number, safe=""))
        try:
            response = await self._clients[name].request(
                tenant, OutgoingRequest(url=url, method="GET", headers=headers, body=b"", follows=False)
            )
        except OutgoingFailed as error:
            logger.warning("lookup_failed", extra={"lookup": name, "error": str(error)})
            raise HostUnavailable(f"{name}: the service does not answer") from error
        if not 200 <= response.status <= 299:
            raise HostError(f"{name}: the service answers {response.status} {response.reason}".strip())
        try:
            return msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return response.body.decode(errors="replace")
