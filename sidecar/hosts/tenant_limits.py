"""The limits of a tenant for whom nothing else was set, of what the configuration says."""

from msgspec import structs

from sidecar.catalog.limits import TenantLimits
from sidecar.configuration.tree import Configuration


def usual_limits(configuration: Configuration) -> TenantLimits:
    """In the process that serves calls."""
    section, storage = configuration.limits, configuration.storage
    return TenantLimits(
        runs_at_once=section.runs_at_once or None,
        runs_a_second=section.runs_a_second or None,
        cpu_ms_a_minute=section.cpu_ms_a_minute or None,
        host_calls_a_minute=section.host_calls_a_minute or None,
        host_bytes_a_minute=section.host_bytes_a_minute or None,
        keys=storage.keys_per_tenant,
        key_bytes=storage.key_bytes_per_tenant,
        rows=storage.rows_per_tenant,
        scripts=section.scripts or None,
        log_bytes=configuration.platform.log_bytes,
        jobs=configuration.jobs.jobs_per_tenant or None,
        job_bytes=configuration.jobs.bytes_per_tenant or None,
        jobs_at_once=configuration.jobs.tenant_at_once or None,
        schedules=configuration.schedules.per_tenant or None,
        schedule_seconds=configuration.schedules.least_seconds or None,
        messages=configuration.mailboxes.messages_per_tenant or None,
    )


def platform_limits(configuration: Configuration) -> TenantLimits:
    """In the process that serves HTTP."""
    section = configuration.platform
    return structs.replace(
        usual_limits(configuration),
        runs_at_once=section.tenant_runs_at_once,
        runs_a_second=section.tenant_runs_a_second,
    )
