"""Which calls an assignment is of: the names and numbers in it that no switch could send."""

from collections.abc import Iterator

from sidecar.catalog.entries import AssignmentEntry, DestinationEntry, DidEntry, RouteEntry
from sidecar.catalog.findings import Finding
from sidecar.problem import Severity
from sipio.number import is_did, number_of


def odd_calls(entry: AssignmentEntry) -> Iterator[Finding]:
    """What is no number, or no name, of those that say which calls. A warning: whoever makes an assignment is refused,
    and what was made so long ago has no calls."""
    for key, why in _odd(entry):
        yield Finding(entry.place, (key,), Severity.WARNING, f"{key}: {why}")


def no_number(text: str) -> str:
    """The complaint about a text in place of a telephone number."""
    return f"{text[:60]!r} is no number: expected digits, such as '+442079460123'"


def _odd(entry: AssignmentEntry) -> Iterator[tuple[str, str]]:
    if isinstance(entry, DidEntry):
        if not is_did(entry.did):
            yield "did", no_number(entry.did)
    elif isinstance(entry, DestinationEntry):
        dialled = number_of(entry.destination).text
        if not dialled or not dialled.isprintable() or " " in dialled:
            yield (
                "destination",
                f"{entry.destination[:60]!r} is neither a number nor a name that could be dialled: write it without"
                " spaces",
            )
    elif isinstance(entry, RouteEntry):
        for key, name in (("customer", entry.customer), ("route", entry.route)):
            if name is not None and (name != name.strip() or not name.isprintable()):
                yield key, f"{name[:60]!r} begins or ends with a space, or has what cannot be seen"
