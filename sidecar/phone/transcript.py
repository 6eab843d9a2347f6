"""What is said, played and done on a call, as lines."""

from collections.abc import Callable

import msgspec

from sidecar.text import escaped


class Line(msgspec.Struct, frozen=True):
    """One thing that happened. ``at`` is seconds since the call came."""

    at: float
    who: str
    """``script``, ``caller``, ``party`` (the other one, of a bridge) or ``phone``."""
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:8.1f}  {self.who:<7} {self.what} {escaped(self.text)}".rstrip()


class Transcript:
    """The lines of one call."""

    def __init__(self, now: Callable[[], float], show: Callable[[str], None]) -> None:
        self._now = now
        self._show = show
        self.lines: list[Line] = []

    def add(self, who: str, what: str, text: str = "") -> None:
        """Something happened."""
        line = Line(self._now(), who, what, text)
        self.lines.append(line)
        self._show(str(line))

    def script_lines(self) -> list[str]:
        """What the script did, a line each: ``says Welcome``, ``plays user/menu.wav``, ``bridges user/alice``."""
        return [f"{line.what} {line.text}".rstrip() for line in self.lines if line.who == "script"]
