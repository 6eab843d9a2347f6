"""The record of a call that a script has placed."""

from sidecar.hosts.placed.ended import EndedPlacedCall
from sidecar.operations.call_record import CallRecord, LegRecord


def record_of(ended: EndedPlacedCall) -> CallRecord:
    """What is kept of it. Its legs are both parties, each with the gateway that it was called by."""
    request, origination = ended.request, ended.origination
    return CallRecord(
        id=origination.id,
        driver=ended.carried_by,
        placed=True,
        tenant=origination.customer,
        customer=origination.customer,
        cli=origination.cli,
        dest_number=_number(request.destination),
        server=request.server,
        extension=_number(request.extension),
        script=request.script,
        script_version=request.script_version,
        arrived=ended.began,
        answered=ended.answered,
        ended=ended.ended,
        hangup_by=ended.by,
        cause=ended.cause,
        code=ended.code,
        reason=ended.reason,
        outcome=ended.outcome,
        error=ended.error,
        legs=[
            LegRecord(at=party.at, destination=party.destination, what=party.what, code=party.code)
            for party in ended.parties
        ],
    )


def _number(destination: str) -> str:
    """What was dialled, of ``user/NAME`` and ``trunk/GATEWAY/NUMBER``."""
    return destination.rpartition("/")[2]
