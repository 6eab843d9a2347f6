"""A call kept whole: its record, its script, and the script's run with all that the call answered."""

from functools import partial
from typing import Final

import msgspec
from msgspec import structs

from sidecar.catalog.model import Script
from sidecar.operations.call_record import CallRecord
from sidecar.runs.kept_files import KeptFiles, packed
from sidecar.runs.kept_runs import KeptRun, Origin
from sidecar.runs.outcomes import FAILURES

HEAD: Final = b"scriptforge call 1\n"
"""The first line of its file; another version has another number."""


class KeptCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that its script drove, with all that the script depended on."""

    origin: Origin = msgspec.field(default_factory=Origin)
    record: CallRecord
    script: Script
    run: KeptRun


def keep(files: KeptFiles, record: CallRecord, script: Script, run: KeptRun) -> CallRecord:
    """Keep a call, if it is one to be kept: the record then names its file."""
    if record.outcome not in FAILURES and script.id not in files.always:
        return record
    kept = KeptCall(record=record, script=script, run=run)
    name = files.add(script.id, record.id, partial(packed, HEAD, kept))
    return structs.replace(record, kept=name) if name else record
