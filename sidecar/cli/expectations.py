"""Whether what came out is what was expected: ``--expect``."""

from collections.abc import Sequence

from sidecar.text import escaped


def unmet(expected: Sequence[str], lines: Sequence[str], *, seen: str, all_lines: str) -> str:
    """Empty where every expected text comes, in this order; else what is missing and what there was, as a diff.

    ``seen`` is what was not done where one is missing, such as ``heard``; ``all_lines`` what the lines are in all.
    Two texts may be found in the same line. A line break within an expected text is a blank.
    """
    there = "\n".join(lines)
    position = 0
    for number, text in enumerate(expected):
        found = there.find(" ".join(text.split()), position)
        if found >= 0:
            position = found + len(" ".join(text.split()))
            continue
        after = there.count("\n", 0, position)
        shown = [f"--expect: {text!r} was not {seen}"]
        if number:
            shown[0] += f" after {expected[number - 1]!r}"
        earlier = there.find(" ".join(text.split()))
        if earlier >= 0:
            shown[0] += f" (only before it, in line {there.count(chr(10), 0, earlier) + 1})"
        shown += [f"  ok       {escaped(one)}" for one in expected[:number]]
        shown.append(f"  missing  {escaped(text)}")
        shown += [f"  not yet  {escaped(one)}" for one in expected[number + 1 :]]
        shown.append(f"{all_lines}:")
        if not lines:
            shown.append("  (nothing)")
        for index, line in enumerate(lines):
            mark = ">" if number and index == after else " "
            shown.append(f" {mark}{index + 1:4}  {escaped(line)}")
        if number:
            shown.append(f"(> is where {expected[number - 1]!r} was found; the search went on from there)")
        return "\n".join(shown) + "\n"
    return ""
