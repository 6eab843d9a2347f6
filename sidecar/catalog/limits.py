"""What one tenant may use, as an operator says it."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, structs

HIGHEST: Final = 2**53 - 1
"""JSON numbers go no further in JavaScript."""
Most = Annotated[int, Meta(ge=0, le=HIGHEST)]


class TenantLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits of one tenant; None where the configuration's applies, and 0 for nothing at all."""

    runs_at_once: Most | None = None
    """Runs under way: decisions, calls, runs over HTTP."""
    runs_a_second: Most | None = None
    """Runs begun; as many may be begun at once."""
    cpu_ms_a_minute: Most | None = None
    """Processor time of scripts, in milliseconds."""
    host_calls_a_minute: Most | None = None
    """Questions to modules of the host."""
    host_bytes_a_minute: Most | None = None
    """Bytes of their answers."""
    keys: Most | None = None
    """Key-values kept."""
    key_bytes: Most | None = None
    """Bytes of them."""
    rows: Most | None = None
    """Rows kept in all databases together."""
    scripts: Most | None = None
    """Scripts, whatever app they are of."""
    log_bytes: Most | None = None
    """Kept of what scripts write in runs over HTTP."""
    jobs: Most | None = None
    """Jobs kept, those that are over among them."""
    job_bytes: Most | None = None
    """Bytes of what they are given and what they give."""
    jobs_at_once: Most | None = None
    """Jobs under way, on all machines."""
    schedules: Most | None = None
    """Schedules, those that are paused among them."""
    schedule_seconds: Most | None = None
    """Between two due times of a schedule at least."""
    messages: Most | None = None
    """Messages to Workers that are kept, the dead ones among them."""


NO_LIMITS: Final = TenantLimits()


def over(defaults: TenantLimits, own: TenantLimits) -> TenantLimits:
    """A tenant's own limits, and for the others the defaults."""
    return structs.replace(defaults, **given_limits(own))


def given_limits(limits: TenantLimits) -> dict[str, Any]:
    """Those that are set, by name."""
    return {name: value for name, value in structs.asdict(limits).items() if value is not None}


def encode_limits(limits: TenantLimits) -> str:
    """As a database keeps them."""
    return msgspec.json.encode(limits, order="deterministic").decode()


def decode_limits(text: str) -> TenantLimits:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(text, type=TenantLimits)
