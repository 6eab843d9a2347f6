"""Bounds of what scripts ask of the web."""

import msgspec

from sidecar.configuration.host_sections import OutgoingSection
from sidecar.hosts.outgoing.policy import OutgoingPolicy, policy


class OutgoingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one request and of all of them."""

    policy: OutgoingPolicy = OutgoingPolicy()
    timeout_seconds: float = 10.0
    """One request, redirects and the whole body included."""
    request_bytes: int = 1_000_000
    response_bytes: int = 900_000
    """Of a body, unpacked. What a host call answers in all has 1,000,000 (`sidecar.hosts.run_host`)."""
    redirects: int = 5
    at_once: int = 256
    """Requests under way of all scripts; a further one is refused."""
    at_once_per_tenant: int = 32
    """Requests under way of one tenant."""


def outgoing_settings(section: OutgoingSection) -> OutgoingSettings:
    """As the operator configured it."""
    return OutgoingSettings(
        policy=policy(section.hosts, section.networks, section.ports),
        timeout_seconds=section.timeout_seconds,
        request_bytes=section.request_bytes,
        response_bytes=section.response_bytes,
        redirects=section.redirects,
        at_once=section.at_once,
        at_once_per_tenant=section.at_once_per_tenant,
    )
