"""The address of a request: taken apart once, by the parser of whoever connects."""

from typing import Final

from yarl import URL

from sidecar.hosts.outgoing.policy import OutgoingPolicy, OutgoingRefused

_URL_CHARACTERS: Final = 8_192


def parse_url(text: str) -> URL:
    """Raises OutgoingRefused for what is no URL to connect to."""
    if len(text) > _URL_CHARACTERS:
        raise OutgoingRefused(f"the URL has more than {_URL_CHARACTERS} characters")
    try:
        url = URL(text)
    except ValueError as error:
        raise OutgoingRefused("it is no URL") from error
    if not url.absolute:
        raise OutgoingRefused("it is no URL with a scheme and a host")
    if url.user is not None or url.password is not None:
        raise OutgoingRefused("a URL holds no name and password: give them in a header")
    return url.with_fragment(None)


def refusal(policy: OutgoingPolicy, text: str) -> str:
    """Why a URL may not be connected to, as far as it shows without asking for its name; empty where it may."""
    try:
        url = parse_url(text)
        policy.check_host(url.scheme, url.raw_host or "", url.explicit_port)
    except OutgoingRefused as error:
        return str(error)
    return ""
