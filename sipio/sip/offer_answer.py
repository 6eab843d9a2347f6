"""Offer and answer (RFC 3264) for one audio stream of PCMU, PCMA and telephone-event."""

from typing import Final

import msgspec

from sipio.errors import PeerError
from sipio.sip.media_description import LocalMedia, MediaDirection, NegotiatedMedia
from sipio.sip.sdp import Codec, MediaLine, Origin, SessionDescription, build_sdp, parse_sdp

_PAYLOAD_TYPES: Final = {"PCMU": 0, "PCMA": 8}
_TELEPHONE_EVENT: Final = "TELEPHONE-EVENT"
_TELEPHONE_EVENTS: Final = "0-16"
"""RFC 4733 clause 2.4.1: digits, ``*``, ``#``, A to D and flash."""
_PLAIN_RTP: Final = frozenset({"RTP/AVP", "RTP/AVPF"})
_NOBODY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - the address of RFC 2543's hold


class NoCommonMedia(PeerError):
    """The offer has no audio that we can take, or the answer none that we offered. To an offer the answer is 488."""


class MediaNegotiation:
    """One session's offers and answers: the o= line, the order of m= lines, what is pending.

    Whoever owns it sees to it that offers do not cross (`offer_pending`).
    """

    __slots__ = ("_lines", "_offered", "_session_id", "_version", "agreed")

    def __init__(self, session_id: str) -> None:
        self._session_id: Final = session_id
        self._version = 0
        self._lines: list[MediaLine] = []
        """Our m= lines as last sent: their number and order are the session's for good (RFC 3264 clause 8)."""
        self._offered: LocalMedia | None = None
        self.agreed: NegotiatedMedia | None = None
        """What the last offer and its answer came to; None before the first."""

    @property
    def offer_pending(self) -> bool:
        """Whether our offer waits for its answer."""
        return self._offered is not None

    def offer(self, local: LocalMedia) -> bytes:
        """Offer this; it is pending until it is answered or abandoned. Returns the SDP."""
        self._offered = local
        codecs = [_codec(name, _PAYLOAD_TYPES[name]) for name in local.codecs]
        if self.agreed is not None:
            # What is agreed stays first, so that a hold does not change the codec.
            codecs.sort(key=lambda codec: codec.name != self.agreed.codec)  # type: ignore[union-attr]
        if local.telephone_event:
            number = local.telephone_event_payload_type
            if self.agreed is not None and self.agreed.dtmf_receive_payload_type is not None:
                number = self.agreed.dtmf_receive_payload_type
            codecs.append(_event_codec(number))
        ours = _audio_line(local, codecs, "RTP/AVP", local.direction, local.ptime_ms)
        lines = self._lines or [ours]
        position = next((index for index, line in enumerate(lines) if line.kind == "audio" and line.port), 0)
        return self._describe([ours if index == position else line for index, line in enumerate(lines)], local)

    def fork(self) -> "MediaNegotiation":
        """A copy that goes its own way: each party that an INVITE reaches answers for itself."""
        copy = MediaNegotiation(self._session_id)
        copy._version = self._version
        copy._lines = self._lines
        copy._offered = self._offered
        copy.agreed = self.agreed
        return copy

    def abandon_offer(self) -> None:
        """Our offer was refused: what was agreed before goes on."""
        self._offered = None

    def answer(self, offer: bytes | SessionDescription, local: LocalMedia) -> tuple[bytes, NegotiatedMedia]:
        """Answer an offer.

        Raises:
            MalformedMessage: no SDP.
            NoCommonMedia: nothing of it can be taken.
        """
        remote = parse_sdp(offer) if isinstance(offer, bytes) else offer
        position = audio_position(remote, local.codecs)
        if position is None:
            raise NoCommonMedia("no common codec")
        line = remote.media[position]
        theirs = _usable(line, local.codecs)
        event = _telephone_event(line) if local.telephone_event else None
        direction = local.direction.within(_flow(line).reversed)
        codecs = [_codec(codec.name, codec.payload_type) for codec in theirs]
        if event is not None:
            codecs.append(_event_codec(event.payload_type))
        ours = _audio_line(local, codecs, line.protocol, direction, local.ptime_ms)
        lines = [ours if index == position else _refused(other) for index, other in enumerate(remote.media)]
        agreed = _negotiated(
            line,
            theirs,
            direction,
            local,
            receive={codec.payload_type: codec.name for codec in theirs},
            dtmf=event.payload_type if event else None,
            dtmf_receive=event.payload_type if event else None,
        )
        self.agreed = agreed
        self._offered = None
        return self._describe(lines, local, timing=remote.timing), agreed

    def accept_answer(self, body: bytes) -> NegotiatedMedia:
        """The answer to our offer.

        Raises:
            MalformedMessage: no SDP.
            NoCommonMedia: it takes nothing of what we offered; ``agreed`` is as before.
        """
        local = self._offered
        if local is None:
            raise NoCommonMedia("an answer without an offer")
        remote = parse_sdp(body)
        position = audio_position(remote, local.codecs)
        if position is None:
            raise NoCommonMedia("the answer has none of the codecs offered")
        self._offered = None
        line = remote.media[position]
        theirs = _usable(line, local.codecs)
        event = _telephone_event(line) if local.telephone_event else None
        sent = next(
            (codec.payload_type for codec in self._lines[position].codecs if codec.name == _TELEPHONE_EVENT)
            if position < len(self._lines)
            else iter(()),
            None,
        )
        agreed = _negotiated(
            line,
            theirs,
            local.direction.within(_flow(line).reversed),
            local,
            receive={_PAYLOAD_TYPES[name]: name for name in local.codecs},
            dtmf=event.payload_type if event else None,
            dtmf_receive=sent if event else None,
        )
        self.agreed = agreed
        return agreed

    def _describe(self, lines: list[MediaLine], local: LocalMedia, timing: str = "0 0") -> bytes:
        if self._version == 0 or lines != self._lines:
            # RFC 3264 clause 8: the version goes up by one with every change, and only then.
            self._version += 1
        self._lines = lines
        origin = Origin(session_id=self._session_id, version=str(self._version), host=local.host)
        return build_sdp(SessionDescription(origin=origin, media=lines, timing=timing))


def audio_position(description: SessionDescription, codecs: tuple[str, ...]) -> int | None:
    """The first audio line over plain RTP with one of these codecs; None for none."""
    for index, line in enumerate(description.media):
        if line.kind == "audio" and line.port and line.protocol.upper() in _PLAIN_RTP and _usable(line, codecs):
            return index
    return None


def _usable(line: MediaLine, codecs: tuple[str, ...]) -> list[Codec]:
    return [codec for codec in line.codecs if codec.name in codecs and codec.clock_rate == 8000 and codec.channels == 1]


def _telephone_event(line: MediaLine) -> Codec | None:
    return next((codec for codec in line.codecs if codec.name == _TELEPHONE_EVENT and codec.clock_rate == 8000), None)


def _flow(line: MediaLine) -> MediaDirection:
    if line.host in _NOBODY:
        # RFC 2543's hold, which RFC 3264 clause 8.4 still has phones understand: they want to hear nothing.
        return MediaDirection.SENDONLY.within(line.direction)
    return line.direction


def _codec(name: str, payload_type: int) -> Codec:
    return Codec(payload_type=payload_type, name=name, clock_rate=8000)


def _event_codec(payload_type: int) -> Codec:
    return Codec(payload_type=payload_type, name=_TELEPHONE_EVENT, clock_rate=8000, parameters=_TELEPHONE_EVENTS)


def _audio_line(
    local: LocalMedia, codecs: list[Codec], protocol: str, direction: MediaDirection, ptime_ms: int
) -> MediaLine:
    return MediaLine(
        kind="audio",
        port=local.port,
        protocol=protocol,
        formats=[str(codec.payload_type) for codec in codecs],
        codecs=codecs,
        host=local.host,
        direction=direction,
        ptime_ms=ptime_ms,
    )


def _refused(line: MediaLine) -> MediaLine:
    return msgspec.structs.replace(line, port=0, codecs=[], host="")


def _packet_ms(line: MediaLine) -> int:
    """RFC 8866 clauses 6.3 and 6.4: what is preferred, and what must not be exceeded."""
    wanted = line.ptime_ms or 20
    return min(wanted, line.maxptime_ms) if line.maxptime_ms else wanted


def _negotiated(
    line: MediaLine,
    codecs: list[Codec],
    direction: MediaDirection,
    local: LocalMedia,
    *,
    receive: dict[int, str],
    dtmf: int | None,
    dtmf_receive: int | None,
) -> NegotiatedMedia:
    host = "" if line.host in _NOBODY else line.host
    return NegotiatedMedia(
        codec=codecs[0].name,
        payload_type=codecs[0].payload_type,
        receive_codecs=receive,
        dtmf_payload_type=dtmf,
        dtmf_receive_payload_type=dtmf_receive,
        ptime_ms=_packet_ms(line),
        remote_host=host,
        remote_port=line.port if host else 0,
        remote_rtcp_host=line.rtcp_host or host,
        remote_rtcp_port=line.rtcp_port or (line.port + 1 if host else 0),
        direction=direction,
        peer_holds=not _flow(line).receives,
        local=local,
    )
