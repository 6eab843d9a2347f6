"""A Decision as the variables that the dialplan bridges by.

What a script writes into a leg of a dial string must not end that leg, so text that could is refused here.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from sipio.egress import USER_CHARACTERS, DecisionError, Destination, OwnRoute, Refusal, read_egress
from sipio.freeswitch.offer import Arrival, header_name
from sipio.freeswitch.question import DialplanCandidate
from sipio.routing import Decision, HeaderChanges

_NUMBER: Final = re.compile(r"[A-Za-z0-9_.+*#\-]+")
"""No ``;``: mod_sofia would take what follows for parameters of its own address (``transport``), and of its Contact."""
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_.!%*+~\-]{1,100}")
_UNCARRIED: Final = frozenset("|[]{}'\\$\r\n\0")
"""Characters of a dial string's own syntax, or expanded by the dialplan when it bridges (``${...}``)."""
_DELIMITERS: Final = ("~", ";", "!", "*", "^")
_DIALOG: Final = frozenset(
    {
        "from", "to", "via", "contact", "call-id", "cseq", "max-forwards", "route", "record-route",
        "content-type", "content-length",
    }
)  # fmt: skip
"""Headers that the B leg's own dialog makes."""


class Route(msgspec.Struct, frozen=True):
    """What the dialplan is to bridge by."""

    bridge: str
    variables: list[tuple[str, str]]
    """What to set on the caller's leg, in order; empty text unsets."""
    dropped: int
    """Destinations left out because the dialplan had not offered them."""


class _Leg(msgspec.Struct):
    dial: str
    cli: str
    add: dict[str, tuple[str, str]]
    """Name and value of each header to add, by its name in lower case: a repeated one replaces the one before."""
    remove: set[str]


def read_answer(
    decision: Decision, arrival: Arrival, candidates: Sequence[DialplanCandidate]
) -> Route | Refusal | OwnRoute:
    """What FreeSWITCH is told. Raises DecisionError where nothing safe can be made of the decision."""
    cli = arrival.offer.from_user
    offered = {candidate.id: candidate.dial for candidate in candidates}
    egress = read_egress(decision, cli=cli, number=arrival.offer.to_user, offered=offered)
    if isinstance(egress, Refusal | OwnRoute):
        return egress
    legs = [_leg(destination, egress.number) for destination in egress.destinations]
    variables = _shared(legs, decision.headers, arrival.variables)
    return Route("|".join(_written(leg, cli) for leg in legs), variables, egress.dropped)


def _leg(destination: Destination[str], number: str) -> _Leg:
    dial = destination.offered
    if "{number}" in dial and (len(number) > USER_CHARACTERS or not _NUMBER.fullmatch(number)):
        raise DecisionError(f"the number {number[:80]!r} cannot be dialled")
    return _Leg(
        dial=dial.replace("{number}", number),
        cli=destination.cli,
        # A repeated header cannot be sent: FreeSWITCH has one variable for each name, and the last one stays.
        add={name.lower(): (name, value) for name, value in _checked(destination.add)},
        remove={name.lower() for name in destination.remove},
    )


def _shared(legs: list[_Leg], common: HeaderChanges, received: dict[str, str]) -> list[tuple[str, str]]:
    """Variables of the caller's leg, whose ``sip_h_`` ones FreeSWITCH copies to every B leg.

    So a header that one leg is to be without has to leave the caller's leg, and the others get it back.
    """
    variables: list[tuple[str, str]] = []
    unwanted = {name.lower() for name in common.remove}
    for variable, value in received.items():
        if not variable.startswith("sip_h_"):
            continue
        name = header_name(variable.removeprefix("sip_h_"), received)
        key = name.lower()
        without = [leg for leg in legs if key in leg.remove]
        if key in unwanted or without:
            variables.append((variable, ""))
        if without and key not in unwanted:
            for leg in legs:
                if key not in leg.remove:
                    leg.add.setdefault(key, (name, value))
    for name, value in _checked(common.add):
        if value:
            variables.append((f"sip_h_{name}", value))
    return variables


def _written(leg: _Leg, cli: str) -> str:
    """A leg of the dial string, with the variables that are its own; ``cli`` is the caller's."""
    values = {f"sip_h_{name}": value for name, value in leg.add.values()}
    if leg.cli != cli:
        if len(leg.cli) > USER_CHARACTERS:
            raise DecisionError(f"a caller id of {len(leg.cli)} characters")
        values["origination_caller_id_number"] = leg.cli
    if not values:
        return leg.dial
    text = "".join(values.values())
    if not _UNCARRIED.isdisjoint(text) or ":_:" in text or not text.isprintable():
        raise DecisionError(f"a value that a dial string cannot carry: {text[:80]!r}")
    delimiter = next((one for one in _DELIMITERS if one not in text), None)
    if delimiter is None:
        raise DecisionError(f"no delimiter is left for {text[:80]!r}")
    pairs = delimiter.join(f"{name}={value}" for name, value in values.items())
    # `^^~` makes ~ the delimiter, so that a header value may have commas.
    return f"[^^{delimiter}{pairs}]{leg.dial}"


def _checked(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _DIALOG:
            raise DecisionError(f"header name {name[:80]!r}")
        if not value.isprintable():
            raise DecisionError(f"the value of header {name}")
        yield name, value
