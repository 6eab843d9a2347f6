"""fetch: requests of scripts over HTTP, through the gate that `sidecar.hosts.outgoing` is."""

import base64
import binascii
import re
from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside
from sidecar.hosts.outgoing.exchange import TOKEN, IncomingResponse, OutgoingFailed, OutgoingRequest
from sidecar.hosts.outgoing.redirects import REDIRECTS
from sidecar.kind import Kind

_NO_REQUEST = "it is no request"
_LINE_END = re.compile(r"[\0\r\n]")


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    match method, values:
        case "send", [
            {"url": str(url), "method": str(verb), "headers": list(headers), "redirect": str(redirect)} as asked
        ]:
            request = OutgoingRequest(
                url=url,
                method=verb,
                headers=[_header(pair) for pair in headers],
                body=_body(asked),
                follows=redirect == "follow",
                only_hosts=asker.services.worker_hosts if asker.script.kind is Kind.WORKER else None,
            )
        case _:
            raise HostError(_NO_REQUEST, "TypeError")
    client = await asker.services.outgoing()
    try:
        response = await client.request(asker.tenant, request)
    except OutgoingFailed as error:
        # An answer, so that the script's own error says it with the author's place.
        return {"failed": str(error)}
    if redirect == "error" and response.status in REDIRECTS:
        return {"failed": f"it is redirected ({response.status}), which the script wanted to be an error"}
    return _told(response)


def _header(pair: Any) -> tuple[str, str]:
    match pair:
        case [str(name), str(value)]:
            return name, value
    raise HostError(_NO_REQUEST, "TypeError")


def _body(asked: dict[str, Any]) -> bytes:
    match asked:
        case {"base64": str(text)}:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error:
                raise HostError(_NO_REQUEST, "TypeError") from None
        case {"text": str(text)}:
            return text.encode("utf-8", "replace")
    return b""


def _told(response: IncomingResponse) -> dict[str, Any]:
    told: dict[str, Any] = {
        "status": response.status,
        "reason": response.reason,
        "url": response.url,
        "redirected": response.redirected,
        "headers": [(name, _octets(value)) for name, value in response.headers if TOKEN.fullmatch(name)],
    }
    try:
        return told | {"text": response.body.decode()}
    except UnicodeDecodeError:
        return told | {"base64": base64.b64encode(response.body).decode()}


def _octets(value: str) -> str:
    """A header's value as JavaScript has it, a character for each byte (Fetch 2.2.2), without what ends a line."""
    return _LINE_END.sub(" ", value.encode("utf-8", "surrogateescape").decode("latin-1"))


MODULE = HostModule(name="fetch", javascript=javascript_beside(__file__), answer=_answer)
