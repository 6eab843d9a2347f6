"""What the checks on bytes say of a routing or a result beside what the checks in Python say, which are the definition.

For a long run by hand, which says how many the checks on bytes took:

    python -m tests.sidecar.hosts.result_comparison 2000000
"""

import random
import sys
import time
from collections import Counter
from typing import Final

import msgspec
from msgspec import Raw

from sidecar._result_check import check, count, look, outline
from sidecar.header_rules import RuleViolation
from sidecar.hosts import routing as routing_host
from sidecar.hosts import routing_result
from sidecar.operations import records
from sipio.errors import MalformedMessage
from sipio.routing import unpack_routing
from sipio.rpc.raw_routing import read_routing
from tests.sidecar.hosts.result_grammar import GIVEN, Grammar

SORTED: Final = msgspec.msgpack.Encoder(order="deterministic")
"""Equal bytes for equal values only: for 1, 1.0 and true others."""


def compare_result(packed: bytes, before: routing_host.RoutingState) -> bool:
    """Whether the check on bytes takes a result. Raises AssertionError where it differs from the one in Python."""
    given = before.given
    assert given is not None
    sound = check(packed, given.cli, given.dest_number)
    if sound is None:
        return False
    routing, added, removed = sound
    try:
        after = routing_result.read_any_result(packed, before)
    except RuleViolation as error:
        raise AssertionError(f"taken, and refused: {error}") from error
    assert isinstance(after, routing_host.RoutingState), "taken, and a rejection"
    decoded = unpack_routing(Raw(routing))
    assert SORTED.encode(decoded) == SORTED.encode(unpack_routing(after.routing)), "another routing"
    assert (added, removed) == (after.headers.add, after.headers.remove), "other header changes"
    assert not after.unread
    return True


def compare_routing(packed: bytes) -> bool:
    """Whether the check on bytes takes a switch's routing. Raises AssertionError as `compare_result` does."""
    raw = Raw(packed)
    seen = look(raw)
    if seen is None:
        return False
    destinations, wide, has_changes, cli, dest_number = seen
    try:
        routing, decoded = read_routing(raw, "routing")
    except MalformedMessage as error:
        raise AssertionError(f"taken, and refused: {error}") from error
    listed = decoded.get("egress_routing")
    assert destinations == (len(listed) if listed else 0)
    assert (cli, dest_number) == (decoded.get("cli"), decoded.get("dest_number"))
    assert has_changes == bool(decoded.get("headers") or decoded.get("remove_headers"))
    # A value that a later one of the same key hides is wide all the same.
    assert wide >= any(routing_result._is_wide(value) for *_, value in routing_result._scalars(decoded))
    assert msgspec.msgpack.encode(unpack_routing(routing)) == msgspec.msgpack.encode(decoded)
    try:
        state = routing_host.any_initial_state(raw)
    except RuleViolation as error:
        raise AssertionError(f"taken, and refused: {error}") from error
    assert state.given is not None
    assert bytes(state.given.packed) == msgspec.msgpack.encode(decoded), "a script is given another"
    assert state.given.destinations == destinations
    assert state.headers == routing_host.initial_state(raw).headers
    assert bool(state.headers.add or state.headers.remove) == has_changes
    return True


def compare_outline(packed: bytes) -> bool:
    """Whether the outline on bytes is made of a routing. Raises AssertionError as `compare_result` does."""
    found = outline(packed)
    if found is None:
        return False
    try:
        unpack_routing(Raw(packed))
    except (msgspec.MsgspecError, ValueError, TypeError):
        return True  # what it does not tell cannot be read
    *wanted, added, removed = records._outline_of_any(Raw(packed))
    assert list(found[:5]) == wanted
    for bytes_found, bytes_wanted in ((found[5], added), (found[6], removed)):
        if bytes_found is None:
            assert bytes_wanted is None
        else:
            assert bytes_wanted is not None
            assert msgspec.msgpack.encode(msgspec.msgpack.decode(bytes_found)) == bytes_wanted
    return True


def compare_count(packed: bytes) -> bool:
    """Whether the values of some MessagePack are counted. Raises AssertionError where it is another number."""
    try:
        found = count(packed)
    except ValueError:
        return False
    try:
        tree = msgspec.msgpack.decode(packed)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return True  # keys that cannot be hashed, text that is not UTF-8
    values, waiting = 0, [tree]
    while waiting:
        one = waiting.pop()
        if type(one) in (dict, list):
            values += len(one)
            waiting += one.values() if type(one) is dict else one
            waiting += [key for key in one if type(key) is tuple] if type(one) is dict else []
        elif type(one) is tuple:
            values += len(one)
            waiting += one
    assert found >= values  # a key that comes twice counts twice
    return True


def compare_one(grammar: Grammar) -> tuple[str, bool, bytes]:
    """Make one case of any sort and compare; which sort, whether it was taken, and its bytes."""
    sort = grammar.one_of(("result", "result", "routing", "outline", "count"))
    tree = grammar.result() if sort in ("result", "count") else grammar.routing()
    packed = grammar.damaged(grammar.packed(tree))
    try:
        if sort == "result":
            taken = compare_result(packed, grammar.one_of(GIVEN))
        else:
            taken = {"routing": compare_routing, "outline": compare_outline, "count": compare_count}[sort](packed)
    except AssertionError as error:
        raise AssertionError(f"{sort} {packed!r}: {error}") from error
    return sort, taken, packed


def main(cases: int, seed: int) -> None:
    """Compare so many cases and say what they were."""
    source = random.Random(seed)  # noqa: S311 - cases, not secrets
    grammars = [Grammar(source, odd) for odd in (0.0, 0.005, 0.02, 0.1)]
    tally: Counter[tuple[str, bool]] = Counter()
    failures = 0
    began = time.monotonic()
    for number in range(cases):
        try:
            sort, taken, _ = compare_one(grammars[number % len(grammars)])
        except AssertionError as error:
            failures += 1
            print(error, flush=True)  # noqa: T201 - a tool
            if failures == 10:
                break
            continue
        tally[sort, taken] += 1
        if number % 100_000 == 99_999:
            print(f"{number + 1} cases in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201 - a tool
    print(f"seed {seed}: {cases} cases, {failures} failures, {time.monotonic() - began:.0f} s, {dict(tally)}")  # noqa: T201 - a tool


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns())
