"""Which decisions are kept, and as what."""

from functools import partial

from msgspec import structs

from sidecar.decisions.deciding import Decided
from sidecar.decisions.kept import HEAD, KeptDecision
from sidecar.header_rules import without_passwords
from sidecar.runs.kept_files import KeptFiles, packed
from sidecar.runs.outcomes import FAILURES


def keep(files: KeptFiles, decided: Decided) -> str:
    """Keep a decision, if it is one to be kept; the name of its file, empty where it gets none."""
    script = _script_of(decided, files.always)
    if not script:
        return ""
    return files.add(script, decided.request.call_id, partial(packed, HEAD, kept_decision(decided)))


def _script_of(decided: Decided, always: frozenset[str]) -> str:
    """The script on whose account a decision is kept; empty where it is not."""
    if decided.failure is not None and decided.failure.outcome in FAILURES:
        return decided.failed_script
    if not always:
        return ""
    return next((step.script.id for step in decided.steps if step.script.id in always), "")


def kept_decision(decided: Decided) -> KeptDecision:
    """A decision that is over, as it is kept: without passwords, which no script was given either."""
    failure, request = decided.failure, decided.request
    if request.sip is not None:
        sip = structs.replace(request.sip, headers=without_passwords(request.sip.headers))
        request = structs.replace(request, sip=sip)
    return KeptDecision(
        request=request,
        decision=decided.decision,
        error=failure.message if failure is not None else "",
        error_location=failure.location if failure is not None else "",
        steps=decided.steps,
    )
