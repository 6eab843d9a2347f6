"""What a redirect makes of the request before it."""

from typing import Final

from msgspec import structs
from yarl import URL

from sidecar.hosts.outgoing.exchange import OutgoingRequest

REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_OF_THE_BODY: Final = frozenset(
    ("content-encoding", "content-language", "content-length", "content-location", "content-type")
)
_OF_THE_ORIGIN: Final = frozenset(("authorization", "cookie"))
"""What proves who asks is not for whoever a redirect points at."""


def redirected(request: OutgoingRequest, status: int, location: str) -> OutgoingRequest:
    """The request that follows a redirect (RFC 9110 clause 15.4; Fetch, "HTTP-redirect fetch"). Raises ValueError for
    a place that is none."""
    here = URL(request.url)
    there = here.join(URL(location))
    method, body, headers = request.method, request.body, request.headers
    if (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST"):
        method, body = "GET", b""
        headers = [header for header in headers if header[0].lower() not in _OF_THE_BODY]
    if there.origin() != here.origin():
        headers = [header for header in headers if header[0].lower() not in _OF_THE_ORIGIN]
    return structs.replace(request, url=str(there), method=method, headers=headers, body=body)
