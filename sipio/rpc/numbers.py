"""The numbers in a routing that a switch sends: read for the script, and back in the switch's own spelling after it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from sipio.number import number_of
from sipio.routing import Decision, RoutingRequest, pack_routing, unpack_routing


class WrittenNumbers(msgspec.Struct, frozen=True):
    """The numbers of one routing as its switch wrote them."""

    routing: Raw
    """The whole of it, untouched."""
    read: Raw
    """What was given to be decided."""
    spellings: dict[tuple[str, str], str]
    """By field and number."""
    added: tuple[str, ...]
    """Keys that the switch had not sent."""

    def restored(self, decision: Decision) -> Decision:
        """The decision with each number that is what it was spelt as the switch spelt it, with its parameters."""
        if decision.routing is self.read:
            return msgspec.structs.replace(decision, routing=self.routing)
        decided = unpack_routing(decision.routing)
        routing = {key: value for key, value in decided.items() if key not in self.added}
        for field in ("cli", "dest_number"):
            if field in routing:
                routing[field] = self._spelt(field, routing[field])
        for gateway in _gateways(routing):
            if "cli" in gateway:
                gateway["cli"] = self._spelt("cli", gateway["cli"])
        return msgspec.structs.replace(decision, routing=pack_routing(routing))

    def _spelt(self, field: str, value: Any) -> Any:
        return self.spellings.get((field, value), value) if isinstance(value, str) else value


def read_numbers(
    request: RoutingRequest, numbers: tuple[Any, Any] | None = None
) -> tuple[RoutingRequest, WrittenNumbers | None]:
    """The request with its numbers as they are looked up and as scripts see them; None where they were so already.

    ``numbers`` are the routing's ``cli`` and ``dest_number`` where they are known: it is decoded only where one is
    written in some other way. Gateways are looked through only where the call's own caller id is: they mostly repeat
    it.
    """
    if request.did:
        did = number_of(request.did).text
        if did != request.did:
            request = msgspec.structs.replace(request, did=did)
    if numbers is not None and not (_is_written(numbers[0]) or _is_written(numbers[1])):
        return request, None
    given = unpack_routing(request.routing)
    changes: dict[str, Any] = {}
    spellings: dict[tuple[str, str], str] = {}
    for field in ("cli", "dest_number"):
        value = given.get(field)
        if type(value) is not str or _is_read(value):
            continue
        number = number_of(value)
        if number.text != value:
            changes[field] = number.text
            spellings[field, number.text] = value
        if number.parameters and f"{field}_parameters" not in given:
            changes[f"{field}_parameters"] = number.parameters
    if not changes:
        return request, None
    if "cli" in changes and "egress_routing" in given:
        changes["egress_routing"] = _with_read_callers(given["egress_routing"], spellings)
    read = pack_routing({**given, **changes})
    added = tuple(key for key in changes if key not in given)
    return msgspec.structs.replace(request, routing=read), WrittenNumbers(request.routing, read, spellings, added)


def _is_written(value: Any) -> bool:
    """Whether a number is written in another way than scripts see it, or has parameters."""
    if _is_read(value):
        return False
    number = number_of(value)
    return number.text != value or bool(number.parameters)


def _is_read(value: Any) -> bool:
    """Whether a number is as scripts see it.

    Of digits alone, as nearly all are, or with spaces, which without a + are the switch's own affair: to read those
    would take a microsecond of every call.
    """
    return type(value) is not str or value.isalnum() or value.replace(" ", "").isalnum()


def _with_read_callers(egress: Any, spellings: dict[tuple[str, str], str]) -> Any:
    if not isinstance(egress, list):
        return egress
    return [
        {**entry, "gw": {key: _with_read_caller(gateway, spellings) for key, gateway in entry["gw"].items()}}
        if isinstance(entry, dict) and isinstance(entry.get("gw"), dict)
        else entry
        for entry in egress
    ]


def _with_read_caller(gateway: Any, spellings: dict[tuple[str, str], str]) -> Any:
    value = gateway.get("cli") if isinstance(gateway, dict) else None
    if not isinstance(value, str):
        return gateway
    text = number_of(value).text
    if text != value:
        spellings.setdefault(("cli", text), value)
    return {**gateway, "cli": text}


def _gateways(routing: dict[str, Any]) -> Iterator[dict[str, Any]]:
    egress = routing.get("egress_routing")
    for entry in egress if isinstance(egress, list) else ():
        gateways = entry.get("gw") if isinstance(entry, dict) else None
        for gateway in gateways.values() if isinstance(gateways, dict) else ():
            if isinstance(gateway, dict):
                yield gateway
