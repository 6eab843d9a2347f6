"""Class 4: the dialplan's candidates as a routing question, and the decision as variables that the dialplan bridges by.

A script's word is not FreeSWITCH's command: it may drop candidates and change their order, not make them up. What it
writes into a leg of a dial string must not end that leg, so text that could is refused here.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sipio.errors import LocalError, MalformedMessage
from sipio.freeswitch.offer import Arrival, header_name
from sipio.routing import Action, Decision, Direction, RoutingRequest, SipRequest

USER_CHARACTERS: Final = 128
"""The longest caller id or number written into a dial string."""
CANDIDATES: Final = 500
_NUMBER: Final = re.compile(r"[A-Za-z0-9_.+*#\-]+")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_.!%*+~\-]{1,100}")
_UNCARRIED: Final = frozenset("|[]{}'\\$\r\n\0")
"""Of a dial string's own syntax, or expanded by the dialplan when it bridges (``${...}``)."""
_DELIMITERS: Final = ("~", ";", "!", "*", "^")
_DIALOG: Final = frozenset(
    {
        "from", "to", "via", "contact", "call-id", "cseq", "max-forwards", "route", "record-route",
        "content-type", "content-length",
    }
)  # fmt: skip
"""Headers that the B leg's own dialog makes."""


class DecisionError(LocalError):
    """A decision that cannot be carried out as it stands. The dialplan goes on with its own."""


class Candidate(msgspec.Struct, frozen=True):
    """A gateway that the dialplan offers."""

    id: str
    dial: str
    """Dial string; ``{number}`` stands for the number dialled."""


class Refuse(msgspec.Struct, frozen=True):
    """A final SIP answer."""

    code: int
    reason: str


class Route(msgspec.Struct, frozen=True):
    """What the dialplan is to bridge by."""

    bridge: str
    variables: list[tuple[str, str]]
    """Of the caller's leg, in order; empty text unsets."""
    dropped: int
    """Destinations that the dialplan had not offered."""


def read_candidates(text: str) -> list[Candidate]:
    """``scriptforge_candidates``: ``id=dial string`` separated by ``|``.

    Raises:
        MalformedMessage: an entry without an id or a dial string, or an id twice.
    """
    found: dict[str, Candidate] = {}
    for entry in text.split("|"):
        identity, equals, dial = (part.strip() for part in entry.partition("="))
        if not entry.strip():
            continue
        if not equals or not identity or not dial or identity in found:
            raise MalformedMessage(f"scriptforge_candidates has {entry[:80]!r}")
        found[identity] = Candidate(identity, dial)
    if len(found) > CANDIDATES:
        raise MalformedMessage(f"scriptforge_candidates has {len(found)} gateways, over {CANDIDATES}")
    return list(found.values())


def read_request(arrival: Arrival, candidates: Sequence[Candidate]) -> RoutingRequest:
    """The question to be decided.

    Raises:
        MalformedMessage: a scriptforge variable that cannot be read.
    """
    variables = arrival.variables
    offer = arrival.offer
    timeout = variables.get("scriptforge_timeout_ms", "")
    try:
        direction = Direction(variables.get("scriptforge_direction", Direction.TERMINATION))
        timeout_ms = int(timeout) if timeout else None
    except ValueError as error:
        raise MalformedMessage(f"a scriptforge variable of the dialplan: {error}") from None
    return RoutingRequest(
        call_id=offer.id,
        direction=direction,
        customer=offer.customer,
        route=variables.get("scriptforge_route", ""),
        did=variables.get("scriptforge_did", ""),
        routing={
            "account_id": offer.customer,
            "cli": offer.from_user,
            "dest_number": offer.to_user,
            "server": offer.to_host,
            "direction": direction.value,
            "egress_routing": [
                {
                    "gw": {candidate.id: {"cli": offer.from_user, "dial": candidate.dial}},
                    "headers": [],
                    "remove_headers": [],
                }
                for candidate in candidates
            ],
        },
        sip=SipRequest(
            uri=f"sip:{variables['sip_req_uri']}" if variables.get("sip_req_uri") else "",
            headers=offer.headers,
            source=offer.source,
        ),
        timeout_ms=timeout_ms,
    )


def plan(decision: Decision, arrival: Arrival, candidates: Sequence[Candidate]) -> Refuse | Route:
    """What FreeSWITCH is told.

    Raises:
        DecisionError: nothing safe can be made of it.
    """
    if decision.action is Action.REJECT:
        if not 300 <= decision.code <= 699:
            raise DecisionError(f"reject with status {decision.code}")
        reason = "".join(character for character in decision.reason if character.isprintable())
        return Refuse(decision.code, reason[:USER_CHARACTERS])
    entries = decision.routing.get("egress_routing")
    if not isinstance(entries, list):
        raise DecisionError("egress_routing is no list")
    if not entries:
        return Refuse(503, "No Route")
    return _Planner(decision, arrival, candidates).route(entries)


class _Leg(msgspec.Struct):
    dial: str
    cli: str
    add: dict[str, tuple[str, str]]
    remove: set[str]


class _Planner:
    def __init__(self, decision: Decision, arrival: Arrival, candidates: Sequence[Candidate]) -> None:
        self._decision = decision
        self._arrival = arrival
        self._candidates = {candidate.id: candidate for candidate in candidates}
        self._cli = _text(decision.routing.get("cli"), arrival.offer.from_user)
        self._number = _text(decision.routing.get("dest_number"), arrival.offer.to_user)

    def route(self, entries: list[Any]) -> Route:
        legs: list[_Leg] = []
        dropped = 0
        for entry in entries:
            gateways = entry.get("gw") if isinstance(entry, dict) else None
            for identity, gateway in gateways.items() if isinstance(gateways, dict) else ():
                candidate = self._candidates.get(str(identity))
                if candidate is None:
                    dropped += 1
                else:
                    legs.append(self._leg(candidate, gateway, entry))
            dropped += not isinstance(gateways, dict)
        if not legs:
            raise DecisionError("no destination is one that the dialplan offered")
        variables = self._share(legs)
        return Route("|".join(self._written(leg) for leg in legs), variables, dropped)

    def _leg(self, candidate: Candidate, gateway: Any, entry: dict[str, Any]) -> _Leg:
        cli = self._cli
        if isinstance(gateway, dict):
            own = _text(gateway.get("cli"), self._arrival.offer.from_user)
            if own != self._arrival.offer.from_user:
                cli = own
        # A repeated header cannot be sent: FreeSWITCH has one variable for each name, and the last one stays.
        add = {name.lower(): (name, value) for name, value in _pairs(entry.get("headers"))}
        remove = {name.lower() for name in _keys(entry.get("remove_headers"))}
        number = self._number
        if "{number}" in candidate.dial and (len(number) > USER_CHARACTERS or not _NUMBER.fullmatch(number)):
            raise DecisionError(f"the number {number[:80]!r} cannot be dialled")
        return _Leg(dial=candidate.dial.replace("{number}", number), cli=cli, add=add, remove=remove)

    def _share(self, legs: list[_Leg]) -> list[tuple[str, str]]:
        """Variables of the caller's leg, whose ``sip_h_`` ones FreeSWITCH copies to every B leg.

        So a header that one leg is to be without has to leave the caller's leg, and the others get it back.
        """
        common = self._decision.headers
        variables: list[tuple[str, str]] = []
        received = self._arrival.variables
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

    def _written(self, leg: _Leg) -> str:
        values = {f"sip_h_{name}": value for name, value in leg.add.values()}
        if leg.cli != self._arrival.offer.from_user:
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


def _text(value: Any, default: str) -> str:
    """Scripts write numbers as text or as numbers."""
    if isinstance(value, str):
        return value or default
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return default


def _pairs(entries: Any) -> list[tuple[str, str]]:
    try:
        return _checked((entry["key"], entry["value"]) for entry in entries or ())
    except (TypeError, KeyError, AttributeError) as error:
        raise DecisionError(f"headers of a destination: {error!r}") from error


def _checked(pairs: Any) -> list[tuple[str, str]]:
    checked = []
    for name, value in pairs:
        if not isinstance(name, str) or _HEADER_NAME.fullmatch(name) is None or name.lower() in _DIALOG:
            raise DecisionError(f"header name {str(name)[:80]!r}")
        if not isinstance(value, str) or not value.isprintable():
            raise DecisionError(f"the value of header {name}")
        checked.append((name, value))
    return checked


def _keys(entries: Any) -> list[str]:
    try:
        return [str(entry["key"]) for entry in entries or ()]
    except (TypeError, KeyError, AttributeError) as error:
        raise DecisionError(f"remove_headers of a destination: {error!r}") from error
