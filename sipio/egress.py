"""From a Decision to the destinations that a switch is to try: one walk, whatever the switch.

A script's word is not the switch's command. It may drop destinations and change their order, but not make them up: an
entry is matched by its gateway id to a destination that the switch offered. What the texts in it may hold is for the
switch to say, since that depends on where it writes them.

An empty list is read as what it is by what was offered. Of a switch that offered destinations it means that the script
has dropped them all, and the call is refused with 503 No Route. A switch that offered none routes by itself; nothing
was changed, so it routes as it would have.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from sipio.errors import LocalError
from sipio.routing import Action, Decision, unpack_routing

USER_CHARACTERS: Final = 128
"""The longest caller id, number or reason that is passed on: a SIP user part of any numbering plan is far shorter."""

Offered = TypeVar("Offered")


class DecisionError(LocalError):
    """A decision that cannot be carried out as it stands. The switch goes on as it does without one."""


class Refusal(msgspec.Struct, frozen=True):
    """The call is to be answered with this final SIP status."""

    code: int
    reason: str
    """Printable, and empty where the decision gives none."""


class OwnRoute(msgspec.Struct, frozen=True):
    """The switch had offered no destinations and goes on with its own routing."""


class Destination(msgspec.Struct, Generic[Offered], frozen=True):
    """One destination to try."""

    offered: Offered
    """The switch's own word for it."""
    cli: str
    """The caller id that it is to see."""
    add: list[tuple[str, str]]
    """Headers of this destination alone; those for all are in the decision. Text, and not otherwise checked."""
    remove: list[str]


class Egress(msgspec.Struct, Generic[Offered], frozen=True):
    """Where the call is to go."""

    destinations: list[Destination[Offered]]
    """At least one, in the order in which they are to be tried."""
    number: str
    """The number to dial."""
    dropped: int
    """Destinations left out because the switch had not offered them."""


def read_egress(
    decision: Decision,
    *,
    cli: str,
    number: str,
    offered: Mapping[str, Offered],
    named: Callable[[Any, Offered | None], Offered | None] | None = None,
) -> Egress[Offered] | Refusal | OwnRoute:
    """What is to become of the call.

    ``cli`` and ``number`` are the call's own, ``offered`` the switch's destinations by gateway id. ``named`` is for a
    switch that lets scripts name destinations of their own: it is given what the script left under a gateway id and
    what was offered under it, and returns the one that is meant.

    Raises:
        DecisionError: nothing safe can be made of it, or none of its destinations was offered.
    """
    if decision.action is Action.REJECT:
        if not 300 <= decision.code <= 699:
            raise DecisionError(f"reject with status {decision.code}")
        reason = "".join(character for character in decision.reason if character.isprintable())
        return Refusal(decision.code, reason[:USER_CHARACTERS])
    routing = unpack_routing(decision.routing)
    entries = routing.get("egress_routing")
    if not isinstance(entries, list):
        raise DecisionError("egress_routing is no list")
    common_cli = _text(routing.get("cli"), cli)
    found: list[Destination[Offered]] = []
    dropped = 0
    for entry in entries:
        gateways = entry.get("gw") if isinstance(entry, dict) else None
        if not isinstance(gateways, dict):
            dropped += 1
            continue
        for identity, gateway in gateways.items():
            destination = offered.get(str(identity))
            if named is not None:
                destination = named(gateway, destination)
            if destination is None:
                dropped += 1
                continue
            # A gateway's own caller id counts where the script has changed it, else the one for all.
            own = gateway.get("cli") if isinstance(gateway, dict) else cli
            if own != cli:
                own = _text(own, cli)
            headers, unwanted = entry.get("headers"), entry.get("remove_headers")
            found.append(
                Destination(
                    destination,
                    own if own != cli else common_cli,
                    _pairs(headers) if headers else [],
                    _names(unwanted) if unwanted else [],
                )
            )
    if found:
        return Egress(found, _text(routing.get("dest_number"), number), dropped)
    if dropped:
        raise DecisionError("no destination is one that was offered")
    return Refusal(503, "No Route") if offered else OwnRoute()


def _text(value: Any, default: str) -> str:
    """Scripts write numbers as text or as numbers; empty text says nothing."""
    if isinstance(value, str):
        return value or default
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return default


def _pairs(entries: Any) -> list[tuple[str, str]]:
    found = []
    try:
        for entry in entries:
            name, value = entry["key"], entry["value"]
            if not isinstance(name, str) or not isinstance(value, str):
                raise DecisionError(f"header {str(name)[:80]!r} is not text")
            found.append((name, value))
    except (TypeError, KeyError) as error:
        raise DecisionError(f"headers of a destination: {error!r}") from error
    return found


def _names(entries: Any) -> list[str]:
    found = []
    try:
        for entry in entries:
            name = entry["key"]
            if not isinstance(name, str):
                raise DecisionError(f"header {str(name)[:80]!r} is not text")
            found.append(name)
    except (TypeError, KeyError) as error:
        raise DecisionError(f"remove_headers of a destination: {error!r}") from error
    return found
