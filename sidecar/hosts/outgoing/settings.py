"""Bounds of what scripts ask of the web."""

from pathlib import Path

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
    connections_at_once: int = 512
    """Connections open of all scripts, each with up to half a megabyte of what is on its way; a further one is
    refused."""
    connections_at_once_per_tenant: int = 64
    connection_bytes: int = 100_000_000
    """Each way over one connection."""
    connection_idle_seconds: float = 300.0
    """After which a connection that nothing went over is ended: a Worker's run has no end that would."""
    tls_ca: Path | None = None
    """Certificates that are trusted beside the system's."""


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
        connections_at_once=section.connections_at_once,
        connections_at_once_per_tenant=section.connections_at_once_per_tenant,
        connection_bytes=section.connection_bytes,
        connection_idle_seconds=section.connection_idle_seconds,
        tls_ca=section.tls_ca,
    )
