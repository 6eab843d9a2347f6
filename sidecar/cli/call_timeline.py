"""A call record as a person reads it: what happened and when."""

import time

from sidecar.operations.call_record import CallRecord
from sidecar.text import escaped
from sipio.causes import NAMES


def timeline(record: CallRecord) -> str:
    """The record of one call, in order of time, with its warnings and its end."""
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.arrived))
    script = f"  script {record.script} version {record.script_version}" if record.script else ""
    head = (
        f"call {record.id}  {record.cli or 'anonymous'} -> {record.dest_number}  {begun}  over {record.driver}{script}"
    )
    if record.placed:
        by, to = record.server, record.extension
        head += f"\n           placed for {record.tenant} by the server {by}, to be connected to {to}"
    events: list[tuple[float, str]] = []
    for action in record.actions:
        took = action.ended - action.began
        events.append((action.began, f"{action.action:<40} {took:8.3f} s  {action.result}"))
        events += [(action.began, f"  {name}: {value}") for name, value in action.headers]
    for leg in record.legs:
        events.append((leg.at, f"  {leg.destination} {leg.what}{f' {leg.code}' if leg.code else ''}"))
    for warning in record.warnings:
        where = f" ({warning.location})" if warning.location else ""
        events.append((warning.at, f"  warning: {warning.message}{where}"))
    # Stable: what happened at the same time stays in the order in which it was noted.
    events.sort(key=lambda event: event[0])
    lines = [head, *(f"{at:9.3f}  {text}" for at, text in events)]
    if record.actions_left_out:
        lines.append(f"           and {record.actions_left_out} more actions")
    lines.append(f"{record.ended:9.3f}  {_end(record)}")
    lines += [f"           recorded {name}" for name in record.recordings]
    lines += [f"           log: {line}" for line in record.log]
    if record.answered is None:
        lines.append("           never answered")
    else:
        lines.append(f"           answered for {record.ended - record.answered:.3f} s")
    script_end = f"           {'call' if record.placed else 'script'}: {record.outcome.replace('_', ' ')}"
    if record.error:
        script_end += f": {record.error}"
    if record.error_location:
        script_end += f" ({record.error_location})"
    lines.append(script_end)
    return "".join(f"{escaped(line).rstrip()}\n" for line in lines)


def _end(record: CallRecord) -> str:
    words = [f"ended by {record.hangup_by}, cause {record.cause}"]
    if record.cause in NAMES:
        words.append(NAMES[record.cause])
    if record.code:
        words.append(f"SIP {record.code}")
    if record.reason:
        words.append(f"({record.reason})")
    return " ".join(words)
