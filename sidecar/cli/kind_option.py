"""The kind of a script that is named on the command line."""

import sys

from sidecar.kind import Kind
from sidecar.language.assumed_kind import assumed_kind
from sidecar.text import escaped


def kind_of(given: str | None, text: str, file: str, command: str, *, tells_of_scripts: bool = False) -> Kind:
    """The kind that was given, or the one that the text shows, which is told on standard error where it is an App.

    ``tells_of_scripts`` is for a command of which the kind is part of the answer.
    """
    if given is not None:
        return Kind(given)
    kind, sign = assumed_kind(text, file=file)
    if sign or tells_of_scripts:
        taken = f"an App ({sign})" if sign else "a Script"
        # Not in the output, which is read by programs.
        print(f"scriptforge {command}: {escaped(f'{file}: taken for {taken}')}; --kind decides", file=sys.stderr)
    return kind
