"""The digits of one peer, as telephone-events or as tones in the audio: each heard once, and some not at all."""

from typing import Final

from sipio.media.digit_events import DigitEvents
from sipio.media.dtmf import event_digit
from sipio.media.dtmf_tones import ToneDetector
from sipio.media.g711 import Law, decode
from sipio.media.rtp import RtpPacket
from sipio.media.settings import InbandDigits


class DigitHearing:
    """Told of every packet; gives the digits. Blocked ones are not given."""

    __slots__ = ("_blocked", "_detector", "_events", "_inband")

    def __init__(self, inband: InbandDigits) -> None:
        self._inband: Final = inband
        self._events: Final = DigitEvents()
        self._detector: ToneDetector | None = None
        self._blocked: frozenset[str] | None = frozenset()
        """The digits that are not given; None for every digit."""

    def agree(self, *, has_events: bool) -> None:
        """Whether the peer agreed to send telephone-events."""
        listens = self._inband is InbandDigits.ALWAYS or (self._inband is InbandDigits.AUTO and not has_events)
        self._detector = (self._detector or ToneDetector()) if listens else None

    def block(self, digits: str) -> None:
        """Give these digits no more; none at all where ``digits`` is empty."""
        if not digits:
            self._blocked = None
        elif self._blocked is not None:
            self._blocked |= frozenset(digits.upper())

    def blocks(self, digit: str) -> bool:
        """Whether this digit is not to be heard."""
        return self._blocked is None or digit in self._blocked

    def event(self, packet: RtpPacket, now: float) -> tuple[str, bool]:
        """Take a telephone-event packet that came at ``now``. Gives the digit that begins with it, or none, and whether
        its event is blocked, in which case there is no digit."""
        begun = self._events.packet(packet, now)
        if not packet.payload or self.blocks(event_digit(packet.payload[0])):
            return "", True
        if begun:
            # A peer that has telephone-event after all is not to be heard twice.
            self._detector = None
        return begun, False

    @property
    def listens(self) -> bool:
        """Whether digits are looked for in the audio."""
        return self._detector is not None

    def audio(self, payload: bytes, law: Law) -> str:
        """Digits that this packet's audio makes certain; mostly none."""
        if self._detector is None:
            return ""
        found = self._detector.feed(decode(payload, law))
        return "".join(digit for digit in found if not self.blocks(digit)) if found else ""
