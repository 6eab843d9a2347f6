"""What is said, played and done on a call, as lines; and whether that is what was expected."""

from collections.abc import Callable, Sequence

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


def unmet(expected: Sequence[str], script_lines: Sequence[str]) -> str:
    """Empty where every expected text comes, in this order; else what is missing and what there was, as a diff.

    Two texts may be found in the same line. A line break within an expected text is a blank.
    """
    heard = "\n".join(script_lines)
    position = 0
    for number, text in enumerate(expected):
        found = heard.find(" ".join(text.split()), position)
        if found >= 0:
            position = found + len(" ".join(text.split()))
            continue
        after = heard.count("\n", 0, position)
        shown = [f"--expect: {text!r} was not heard"]
        if number:
            shown[0] += f" after {expected[number - 1]!r}"
        earlier = heard.find(" ".join(text.split()))
        if earlier >= 0:
            shown[0] += f" (only before it, in line {heard.count(chr(10), 0, earlier) + 1})"
        shown += [f"  ok       {escaped(one)}" for one in expected[:number]]
        shown.append(f"  missing  {escaped(text)}")
        shown += [f"  not yet  {escaped(one)}" for one in expected[number + 1 :]]
        shown.append("what the script did:")
        if not script_lines:
            shown.append("  (nothing)")
        for index, line in enumerate(script_lines):
            mark = ">" if number and index == after else " "
            shown.append(f" {mark}{index + 1:4}  {escaped(line)}")
        if number:
            shown.append(f"(> is where {expected[number - 1]!r} was found; the search went on from there)")
        return "\n".join(shown) + "\n"
    return ""
