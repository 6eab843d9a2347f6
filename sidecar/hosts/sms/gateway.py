"""The HTTP gateway that takes short messages."""

import logging
import re
from typing import Final
from urllib.parse import urlencode

import msgspec

from sidecar.configuration.addresses import parse_web_url
from sidecar.configuration.host_sections import SmsSection
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.outgoing.client import OutgoingClient
from sidecar.hosts.outgoing.exchange import OutgoingFailed, OutgoingRequest
from sidecar.hosts.outgoing.policy import policy
from sidecar.hosts.outgoing.settings import OutgoingSettings
from sidecar.hosts.rates import Rate
from sidecar.hosts.secret_file import first_line
from sidecar.hosts.sms.parts import parts_of

logger = logging.getLogger(__name__)

PARTS: Final = 10
"""Of one message."""
_NUMBER: Final = re.compile(r"\+?[0-9]{3,18}")
_TYPES: Final = {"json": "application/json", "urlencoded": "application/x-www-form-urlencoded"}


class SmsGateway:
    """Hands messages in. Lives on one event loop."""

    def __init__(self, section: SmsSection) -> None:
        """Raises ConfigurationError for a secret that cannot be read."""
        self._section = section
        self._rate = Rate("short messages", section.per_minute)
        self._client: OutgoingClient | None = None
        if not section.url:
            return
        host, port = parse_web_url(section.url)
        self._authorization = first_line("sms.authorization_file", section.authorization_file)
        # It is the operator's own, wherever that is; a redirect leads to no other name.
        gate = policy([host], ["0.0.0.0/0", "::/0"], [port] if port is not None else [])
        self._client = OutgoingClient(OutgoingSettings(policy=gate, timeout_seconds=section.timeout_seconds))

    async def close(self) -> None:
        """End every request."""
        if self._client is not None:
            await self._client.close()

    async def send(self, tenant: str, number: str, text: str) -> int:
        """Hand a message in; how many parts it has, which the gateway makes. Raises HostError."""
        section = self._section
        if self._client is None:
            raise HostError("there are no short messages here: the operator has named no gateway (sms.url)")
        if _NUMBER.fullmatch(number) is None:
            raise HostError(f"{number[:40]!r} is no number for a short message", "TypeError")
        if not text:
            raise HostError("the text is empty", "TypeError")
        parts = parts_of(text) if len(text) <= PARTS * 160 else PARTS + 1
        if parts > PARTS:
            raise HostError(f"the text has more than {PARTS} parts", "RangeError")
        await self._rate.require(tenant)
        fields = {section.to_field: number, section.text_field: text}
        if section.sender:
            fields[section.sender_field] = section.sender
        body = msgspec.json.encode(fields) if section.form == "json" else urlencode(fields, errors="replace").encode()
        headers = [("Content-Type", _TYPES[section.form])]
        if self._authorization:
            headers.append(("Authorization", self._authorization))
        request = OutgoingRequest(url=section.url, method="POST", headers=headers, body=body, follows=False)
        try:
            response = await self._client.request(tenant, request)
        except OutgoingFailed as error:
            logger.warning("sms_not_sent", extra={"error": str(error)})
            raise HostUnavailable("the gateway of short messages cannot be reached") from error
        if not 200 <= response.status <= 299:
            logger.warning("sms_not_sent", extra={"error": f"status {response.status}"})
            raise HostError(f"the gateway of short messages refuses: {response.status} {response.reason}".strip())
        return parts
