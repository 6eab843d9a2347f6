"""Versions: short hashes, the same on every machine that has the same scripts, npm modules and assignments."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from sidecar.catalog.model import OPERATOR, Assignment, Script, VoiceAssignment

VERSION_CHARACTERS: Final = 12
DIGEST_BYTES: Final = 32
DIGESTS: Final = 256**DIGEST_BYTES


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
    if script.module_versions:
        content = (*content, {"module_versions": sorted(script.module_versions.items())})
    if script.module_texts:
        content = (*content, {"module_texts": sorted(script.module_texts.items())})
    if script.tenant != OPERATOR:
        content = (*content, {"tenant": script.tenant})
    if script.prepared.files:
        prepared = script.prepared
        files = [(path, file.text, file.form, sorted(file.links.items())) for path, file in prepared.files.items()]
        content = (*content, sorted(prepared.links.items()), sorted(files))
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:VERSION_CHARACTERS]


def version_of(scripts: Iterable[Script], digest: int, first: Sequence[Assignment], last: Sequence[Assignment]) -> str:
    """A snapshot's version from its parts; ``digest`` is the sum of its assignments' own, modulo `DIGESTS`."""
    hashed = hashlib.sha256()
    for script in sorted(scripts, key=lambda script: script.id):
        hashed.update(msgspec.json.encode((script.id, script.version)))
    hashed.update(digest.to_bytes(DIGEST_BYTES, "big"))
    for where, assignments in (("first", first), ("last", last)):
        for assignment in assignments:
            hashed.update(_encoded((where,), assignment))
    return hashed.hexdigest()[:VERSION_CHARACTERS]


def assignment_digest(where: tuple[str, ...], assignment: Assignment) -> int:
    """A number for one assignment of certain calls. That of many is their sum, so that a change of one needs none of
    the others."""
    return int.from_bytes(hashlib.sha256(_encoded(where, assignment)).digest(), "big")


def voice_digest(dialled: str, assignment: VoiceAssignment) -> int:
    """The same for Class 5."""
    content: tuple[Any, ...] = ("destination", dialled), assignment.script_id, assignment.customer, assignment.variables
    if assignment.wrong:
        content = (*content, assignment.wrong)
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(content, order="deterministic")).digest(), "big")


def _encoded(where: tuple[str, ...], assignment: Assignment) -> bytes:
    answers = [str(answer or "") for answer in (assignment.timeout_action, assignment.error_action)]
    content: tuple[Any, ...] = where, assignment.script_id, assignment.timeout_ms, answers, assignment.variables
    if assignment.wrong:
        content = (*content, assignment.wrong)
    return msgspec.json.encode(content, order="deterministic")
