"""Versions: short hashes, the same on every machine that has the same scripts and assignments."""

import hashlib
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from sidecar.catalog.model import Assignment, Script, VoiceAssignment

VERSION_CHARACTERS: Final = 12
SORTED_AT_ONCE: Final = 1_000
"""A sort is one call that lets no other thread run: of so many keys, about a millisecond."""
BLOCK_BYTES: Final = 65_536
"""Hashed at once. hashlib lets other threads run meanwhile."""

Blocks = tuple[bytes, ...]
_Key = TypeVar("_Key", str, tuple[str, str])


def script_version(script: Script) -> str:
    """A short hash over everything that a run depends on."""
    content: tuple[Any, ...] = (
        script.id,
        script.name,
        script.kind,
        script.text,
        script.uuid,
        script.app,
        sorted(script.environment.items()),
        script.memory_bytes,
    )
    if script.modules is not None:
        content = (*content, sorted(script.modules))
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:VERSION_CHARACTERS]


def version_of(
    scripts: Iterable[Script], blocks: Blocks, first: Sequence[Assignment], last: Sequence[Assignment]
) -> str:
    """A snapshot's version from its parts; ``blocks`` is what `encoded_assignments` made of the assignments."""
    hashed = hashlib.sha256()
    for script in sorted(scripts, key=lambda script: script.id):
        hashed.update(msgspec.json.encode((script.id, script.version)))
    for block in blocks:
        hashed.update(block)
    for where, assignments in (("first", first), ("last", last)):
        for assignment in assignments:
            hashed.update(_encoded((where,), assignment))
    return hashed.hexdigest()[:VERSION_CHARACTERS]


def encoded_assignments(
    routes: Mapping[tuple[str, str], Assignment],
    dids: Mapping[str, Assignment],
    destinations: Mapping[str, VoiceAssignment],
) -> Blocks:
    """What of a snapshot's version does not change with a script: kept from one snapshot to the next.

    Takes about a second for 100,000 assignments, and lets other threads run meanwhile.
    """
    blocks: list[bytes] = []
    block = bytearray()
    for encoded in itertools.chain(
        (_encoded(("route", *key), routes[key]) for key in _sorted(routes)),
        (_encoded(("did", did), dids[did]) for did in _sorted(dids)),
        (_encoded_voice(dialled, destinations[dialled]) for dialled in _sorted(destinations)),
    ):
        block += encoded
        if len(block) >= BLOCK_BYTES:
            blocks.append(bytes(block))
            block.clear()
    return (*blocks, bytes(block))


def _encoded(where: tuple[str, ...], assignment: Assignment) -> bytes:
    answers = [str(answer or "") for answer in (assignment.timeout_action, assignment.error_action)]
    content: tuple[Any, ...] = where, assignment.script_id, assignment.timeout_ms, answers, assignment.variables
    if assignment.wrong:
        content = (*content, assignment.wrong)
    return msgspec.json.encode(content, order="deterministic")


def _encoded_voice(dialled: str, assignment: VoiceAssignment) -> bytes:
    content: tuple[Any, ...] = ("destination", dialled), assignment.script_id, assignment.customer, assignment.variables
    if assignment.wrong:
        content = (*content, assignment.wrong)
    return msgspec.json.encode(content, order="deterministic")


def _sorted(keys: Iterable[_Key]) -> Iterator[_Key]:
    waiting = iter(keys)
    runs: list[list[_Key]] = []
    while run := sorted(itertools.islice(waiting, SORTED_AT_ONCE)):
        runs.append(run)
    return heapq.merge(*runs)
