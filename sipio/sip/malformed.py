"""A request that cannot be read, read as far as its 400 needs (RFC 3261 clause 8.2, RFC 4475)."""

from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.message import HEADER_COUNT, MESSAGE_BYTES, Request, is_token
from sipio.sip.via import parse_via

_NEEDED: Final = frozenset({"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"})


def salvage(data: bytes) -> Request | None:
    """Via, From, To, Call-ID and CSeq of broken bytes as a request; None where nothing can be answered: no Via that can
    be read, a response, or an ACK, which has no answer."""
    head = data[:MESSAGE_BYTES].replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")[0]
    lines = head.decode("latin-1").split("\n")[:HEADER_COUNT]
    method, _, rest = lines[0].partition(" ")
    if not is_token(method) or method in {"ACK", "RESPONSE"} or lines[0][:4].upper() == "SIP/":
        return None
    headers: list[tuple[str, str]] = []
    wanted = False
    """Whether the header that a folded line goes on is one of those needed."""
    for line in lines[1:]:
        if line[:1] in {" ", "\t"}:
            if wanted:
                headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        wanted = bool(colon) and name.lower() in _NEEDED
        if wanted:
            headers.append((name, value.strip()))
    request = Request(data, "SIP/2.0", headers, b"", method=method, uri=rest.partition(" ")[0])
    try:
        parse_via(request.get("via") or "")
    except MalformedMessage:
        return None
    return request
