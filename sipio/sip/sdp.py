"""Session descriptions (RFC 8866) as data: what audio calls need is read, the rest is kept out of the way."""

from typing import Final

import msgspec

from sipio.errors import MalformedMessage
from sipio.sip.media_description import MediaDirection

SDP_BYTES: Final = 16_384
"""The longest description read; one with a dozen codecs and ICE candidates has 4 KB."""
MEDIA_LINES: Final = 16
"""The most m= lines: each has to be answered."""
_STATIC_CODECS: Final = {0: ("PCMU", 8000), 8: ("PCMA", 8000)}
"""RFC 3551 table 4: these need no rtpmap."""
_DIRECTIONS: Final = {direction.value: direction for direction in MediaDirection}


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The o= line: same id and version means the same description (RFC 3264 clause 8)."""

    username: str = "-"
    session_id: str
    version: str
    host: str = ""


class Codec(msgspec.Struct, frozen=True, kw_only=True):
    """One payload type of an m= line."""

    payload_type: int
    name: str
    """Upper case; empty for a dynamic one without rtpmap."""
    clock_rate: int
    channels: int = 1
    parameters: str = ""
    """What a=fmtp says of it, as written."""


class MediaLine(msgspec.Struct, frozen=True, kw_only=True):
    """One m= line and what belongs to it."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    codecs: list[Codec] = []
    """What an RTP line offers, in its order."""
    host: str = ""
    """What its own c= line or the session's says."""
    direction: MediaDirection = MediaDirection.SENDRECV
    ptime_ms: int = 0
    """0 where it was not said."""
    maxptime_ms: int = 0
    """0 where it was not said."""
    rtcp_host: str = ""
    rtcp_port: int = 0
    """What a=rtcp says (RFC 3605); 0 where it was not said."""


class SessionDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A session description (RFC 8866) as far as audio needs it."""

    origin: Origin | None
    media: list[MediaLine]
    session_name: str = "-"
    timing: str = "0 0"


def parse_sdp(body: bytes) -> SessionDescription:
    """Read a description. Line ends may be LF, the order of lines free, what is not understood is passed over.

    Raises:
        MalformedMessage: no v= line, an m= line that cannot be read, over `SDP_BYTES` or `MEDIA_LINES`.
    """
    if len(body) > SDP_BYTES:
        raise MalformedMessage(f"SDP of {len(body)} bytes")
    origin: Origin | None = None
    timing = "0 0"
    host = ""
    session_lines: list[tuple[str, str]] = []
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not any(line.startswith("v=") for line in lines):
        raise MalformedMessage("SDP without v=")
    for line in lines:
        kind, equals, value = line.strip().partition("=")
        if not equals:
            continue
        value = value.strip()
        if kind == "m":
            if len(sections) == MEDIA_LINES:
                raise MalformedMessage(f"SDP of more than {MEDIA_LINES} media lines")
            sections.append((value, []))
        elif sections:
            sections[-1][1].append((kind, value))
        elif kind == "o":
            origin = _parse_origin(value)
        elif kind == "c":
            host = _parse_connection(value)
        elif kind == "t":
            timing = value
        else:
            session_lines.append((kind, value))
    default = _direction(session_lines, MediaDirection.SENDRECV)
    media = [_parse_media(value, attributes, host, default) for value, attributes in sections]
    return SessionDescription(origin=origin, media=media, timing=timing)


def build_sdp(description: SessionDescription) -> bytes:
    """A description as bytes, one c= for each media line that has a host of its own."""
    origin = description.origin or Origin(session_id="0", version="0")
    host = origin.host or next((line.host for line in description.media if line.host), "0.0.0.0")  # noqa: S104 - SDP for none
    lines = [
        "v=0",
        f"o={origin.username} {origin.session_id} {origin.version} IN {_family(host)} {host}",
        f"s={description.session_name}",
        f"c=IN {_family(host)} {host}",
        f"t={description.timing}",
    ]
    for media in description.media:
        lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
        if media.port == 0:
            continue
        if media.host and media.host != host:
            lines.append(f"c=IN {_family(media.host)} {media.host}")
        for codec in media.codecs:
            if codec.name:
                channels = f"/{codec.channels}" if codec.channels != 1 else ""
                lines.append(f"a=rtpmap:{codec.payload_type} {_spelling(codec.name)}/{codec.clock_rate}{channels}")
            if codec.parameters:
                lines.append(f"a=fmtp:{codec.payload_type} {codec.parameters}")
        if media.ptime_ms:
            lines.append(f"a=ptime:{media.ptime_ms}")
        if media.maxptime_ms:
            lines.append(f"a=maxptime:{media.maxptime_ms}")
        if media.rtcp_port:
            rtcp_host = f" IN {_family(media.rtcp_host)} {media.rtcp_host}" if media.rtcp_host else ""
            lines.append(f"a=rtcp:{media.rtcp_port}{rtcp_host}")
        lines.append(f"a={media.direction.value}")
    return ("\r\n".join(lines) + "\r\n").encode()


def _spelling(name: str) -> str:
    # The registered spelling; some phones compare with case.
    return "telephone-event" if name == "TELEPHONE-EVENT" else name


def _family(host: str) -> str:
    return "IP6" if ":" in host else "IP4"


def _parse_origin(value: str) -> Origin | None:
    parts = value.split()
    if len(parts) != 6:
        return None
    return Origin(username=parts[0], session_id=parts[1], version=parts[2], host=parts[5])


def _parse_connection(value: str) -> str:
    parts = value.split()
    # A multicast address may have /ttl behind it.
    return parts[2].partition("/")[0] if len(parts) >= 3 else ""


def _milliseconds(argument: str) -> int:
    whole = argument.strip().partition(".")[0]
    return int(whole) if _is_number(whole, 1_000) else 0


def _parse_media(value: str, lines: list[tuple[str, str]], host: str, default: MediaDirection) -> MediaLine:
    parts = value.split()
    port_text = parts[1].partition("/")[0] if len(parts) > 1 else ""
    if len(parts) < 4 or not _is_number(port_text, 65_535):
        raise MalformedMessage(f"bad SDP media line {value[:80]!r}")
    maps: dict[str, tuple[str, int, int]] = {}
    parameters: dict[str, str] = {}
    ptime = maxptime = rtcp_port = 0
    rtcp_host = ""
    for kind, text in lines:
        if kind == "c":
            host = _parse_connection(text) or host
            continue
        if kind != "a":
            continue
        name, _, argument = text.partition(":")
        name = name.lower()
        if name == "rtpmap":
            payload_type, _, encoding = argument.strip().partition(" ")
            maps[payload_type] = _parse_encoding(encoding.strip())
        elif name == "fmtp":
            payload_type, _, rest = argument.strip().partition(" ")
            parameters[payload_type] = rest.strip()
        elif name == "ptime":
            ptime = _milliseconds(argument)
        elif name == "maxptime":
            maxptime = _milliseconds(argument)
        elif name == "rtcp":
            rtcp_parts = argument.split()
            if rtcp_parts and _is_number(rtcp_parts[0], 65_535):
                rtcp_port = int(rtcp_parts[0])
                rtcp_host = rtcp_parts[3] if len(rtcp_parts) > 3 else ""
    codecs = []
    for name in dict.fromkeys(parts[3:]) if parts[2].upper().startswith("RTP/") else ():
        if _is_number(name, 127):
            static = (*_STATIC_CODECS.get(int(name), ("", 0)), 1)
            encoding_name, clock_rate, channels = maps.get(name, static)
            codecs.append(
                Codec(
                    payload_type=int(name),
                    name=encoding_name,
                    clock_rate=clock_rate,
                    channels=channels,
                    parameters=parameters.get(name, ""),
                )
            )
    return MediaLine(
        kind=parts[0].lower(),
        port=int(port_text),
        protocol=parts[2],
        formats=parts[3:],
        codecs=codecs,
        host=host,
        direction=_direction(lines, default),
        ptime_ms=ptime,
        maxptime_ms=maxptime,
        rtcp_host=rtcp_host,
        rtcp_port=rtcp_port,
    )


def _parse_encoding(text: str) -> tuple[str, int, int]:
    parts = text.split("/")
    rate = int(parts[1]) if len(parts) > 1 and _is_number(parts[1], 1_000_000) else 0
    channels = int(parts[2]) if len(parts) > 2 and _is_number(parts[2], 255) else 1
    return parts[0].upper(), rate, channels


def _direction(lines: list[tuple[str, str]], default: MediaDirection) -> MediaDirection:
    for kind, value in lines:
        if kind == "a" and value.lower() in _DIRECTIONS:
            default = _DIRECTIONS[value.lower()]
    return default


def _is_number(text: str, maximum: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= maximum
