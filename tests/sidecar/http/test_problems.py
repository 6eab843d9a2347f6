"""Errors as whoever asks is told them."""

import pytest

from sidecar.hosts.errors import HostError, HostFull, HostSlow, HostUnavailable
from sidecar.http.problems import of_host


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (HostSlow("the database was asked for more than 2 s", "RangeError"), 503, "database-slow"),
        (HostUnavailable("the database does not answer"), 503, "database-unreachable"),
        (HostFull("there is no room left"), 507, "full"),
        (HostError("there is no database 'a'", "ReferenceError"), 404, "not-there"),
        (HostError("too much", "RangeError"), 422, "wrong-values"),
        (HostError("there is one already"), 409, "already-there"),
    ],
)
def test_what_is_refused_of_what_scripts_keep_has_a_status(error: HostError, status: int, kind: str) -> None:
    answer = of_host(error)
    assert (answer.status, answer.kind) == (status, kind)
    assert ("Retry-After" in answer.headers) == (status == 503)
