"""Addresses and ports of the configuration that are more than ``host:port``."""

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from sipio.host_port import HostPort, InvalidHostPort

_LOWEST_PORT: Final = 1_024
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")
_ADVERTISE: Final = re.compile(r"(?P<listen>\S+)(?:\s+advertise\s+(?P<advertised>\S+))?")


class SipListen(NamedTuple):
    """One entry of ``sip.listen``."""

    transport: str
    where: HostPort
    advertised_host: str = ""
    """As peers know it, without brackets; empty for the address listened on."""
    advertised_port: int = 0
    """As peers know it; 0 for the port listened on."""


def parse_sip_listen(text: str) -> SipListen:
    """Read ``udp:host:port``, with tcp or tls in place of udp, and ``advertise host`` or ``advertise host:port`` behind
    it where peers know it by another address. Raises ValueError."""
    match = _ADVERTISE.fullmatch(text.strip())
    transport, _, address = (match["listen"] if match is not None else "").partition(":")
    if match is None or transport not in {"udp", "tcp", "tls"}:
        raise ValueError(f"expected udp:host:port, tcp:host:port or tls:host:port, got {text!r}")
    try:
        where = HostPort.parse(address)
    except InvalidHostPort as error:
        raise ValueError(f"{text!r}: {error}") from None
    parse_host(where.host)
    advertised = match["advertised"]
    if advertised is None:
        return SipListen(transport, where)
    try:
        known = HostPort.parse(advertised)
    except InvalidHostPort:
        return SipListen(transport, where, parse_host(advertised.strip("[]")))
    return SipListen(transport, where, parse_host(known.host), known.port)


def parse_host(text: str) -> str:
    """An IP address without brackets, or a host name. Raises ValueError."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if text in {"*", "any"}:
            raise ValueError(
                f"expected an address or a name, such as 0.0.0.0 for every address, got {text!r}"
            ) from None
        # What is all numbers and dots is a mistyped address, and no name.
        if _NAME.fullmatch(text) is None or re.fullmatch(r"[0-9.]+", text):
            raise ValueError(f"expected an IP address or a host name, got {text!r}") from None
    return text


def parse_optional_host(text: str) -> str:
    """As `parse_host`, or nothing at all. Raises ValueError."""
    return parse_host(text) if text else ""


def parse_web_url(text: str) -> tuple[str, int | None]:
    """The host of an ``http://`` or ``https://`` URL, and its port where it names one. Raises ValueError."""
    expected = f"expected http://HOST/... or https://HOST/..., got {text!r}"
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError as error:
        raise ValueError(f"{expected}: {error}") from None
    if url.scheme not in ("http", "https") or not host or not text.isprintable() or " " in text:
        raise ValueError(expected)
    return host, port


def parse_optional_web_url(text: str) -> tuple[str, int | None] | None:
    """As `parse_web_url`; None for an empty text. Raises ValueError."""
    return parse_web_url(text) if text else None


def parse_port_range(text: str) -> tuple[int, int]:
    """The first and the last of a range of ports, such as 20000-29999, which holds a pair at least. Raises
    ValueError."""
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    if match is None:
        raise ValueError(f"{text!r} is no range of ports, such as 20000-29999")
    first, last = int(match[1]), int(match[2])
    if not _LOWEST_PORT <= first < last <= 65_535:
        raise ValueError(f"{text!r} is no range of ports between {_LOWEST_PORT} and 65535, such as 20000-29999")
    if first + first % 2 >= last:
        raise ValueError(f"{text!r} has no even port with the next one behind it, as a call needs")
    return first, last
