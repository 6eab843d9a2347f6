"""The switch's REST API, asked as one of the users whose passwords scripts never see."""

import base64
import logging
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlencode

import msgspec

from sidecar.configuration.addresses import parse_web_url
from sidecar.configuration.host_sections import RestSection
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.outgoing.client import OutgoingClient
from sidecar.hosts.outgoing.exchange import IncomingResponse, OutgoingFailed, OutgoingRequest
from sidecar.hosts.outgoing.policy import policy
from sidecar.hosts.outgoing.settings import OutgoingSettings
from sidecar.hosts.secret_file import ApiUser, read_users

logger = logging.getLogger(__name__)

_METHODS: Final = frozenset(("GET", "POST", "PUT", "DELETE"))
_PATH: Final = re.compile(r"/?(?P<path>[A-Za-z0-9_.~+%@:-]+(?:/[A-Za-z0-9_.~+%@:-]+)*)/?(?:\?(?P<query>[^#\s]*))?")
_SEPARATORS: Final = re.compile(r"[/\\]")
"""As a server that takes a path apart once it has decoded it has them."""


class RestApi:
    """Asks it. Lives on one event loop."""

    def __init__(self, section: RestSection) -> None:
        """Raises ConfigurationError for a file of users that cannot be used."""
        self._users: Mapping[str, ApiUser] = {}
        self._client: OutgoingClient | None = None
        self._base = section.url.rstrip("/")
        if not section.url:
            return
        host, port = parse_web_url(section.url)
        self._users = read_users(section.users_file)
        # It is the operator's own, wherever that is; a redirect leads to no other name.
        gate = policy([host], ["0.0.0.0/0", "::/0"], [port] if port is not None else [])
        self._client = OutgoingClient(OutgoingSettings(policy=gate, timeout_seconds=section.timeout_seconds))

    async def close(self) -> None:
        """End every request."""
        if self._client is not None:
            await self._client.close()

    async def ask(self, tenant: str, user: str, method: str, path: str, query: dict[str, Any], body: Any) -> Any:
        """What it answers: a status, and JSON or text. Raises HostError."""
        if self._client is None:
            raise HostError("there is no REST API here: the operator has named none (rest.url)")
        match = _PATH.fullmatch(path)
        if match is None or any(set(part) <= {"."} for part in _SEPARATORS.split(unquote(match["path"]))):
            raise HostError(f"{path[:80]!r} is no path of the REST API", "TypeError")
        if method not in _METHODS:
            raise HostError(f"{method[:20]!r} is no method of the REST API", "TypeError")
        known = self._users.get(user)
        if known is None or not {tenant, "*"} & set(known.tenants):
            return {"status": 403, "body": f"there is no API user {user[:60]!r}"}
        asked = "&".join(part for part in (match["query"] or "", urlencode(query, doseq=True)) if part)
        token = base64.b64encode(f"{user}:{known.password}".encode()).decode()
        headers = [("Authorization", f"Basic {token}"), ("Accept", "application/json")]
        content = b""
        if body is not None:
            content = msgspec.json.encode(body)
            headers.append(("Content-Type", "application/json"))
        url = f"{self._base}/{match['path']}" + (f"?{asked}" if asked else "")
        request = OutgoingRequest(url=url, method=method, headers=headers, body=content, follows=False)
        try:
            response = await self._client.request(tenant, request)
        except OutgoingFailed as error:
            logger.warning("rest_api_not_asked", extra={"error": str(error)})
            raise HostUnavailable("the REST API does not answer") from error
        return {"status": response.status, "body": _body(response)}


def _body(response: IncomingResponse) -> Any:
    """JSON where it is some, else the text."""
    try:
        return msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return response.body.decode(errors="replace")
