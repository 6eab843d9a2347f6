"""How often somebody may ask."""

import pytest

from sidecar.http.problems import ApiError
from sidecar.http.rates import Rates


def rates() -> Rates:
    return Rates(requests=2, public_runs=3)


def asked(counted: Rates, what: str, whom: list[str]) -> None:
    for who in whom:
        counted.count(what, who)


def test_each_has_so_many_a_second() -> None:
    found = rates()
    for who in ("token 1", "token 2"):
        for _ in range(2):
            found.count("requests", who)
    # Perhaps in the next second by now, which has as many.
    with pytest.raises(ApiError) as refused:
        asked(found, "requests", ["token 1"] * 5)
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "1"
    assert found.refused == {"requests": 1, "public": 0, "failed": 0}


def test_what_one_limit_counts_is_no_others() -> None:
    found = rates()
    for what in ("requests", "public", "failed"):
        found.count(what, "x")
        found.count(what, "x")
    assert sum(found.refused.values()) == 0


def test_addresses_of_one_network_are_one() -> None:
    found = rates()
    with pytest.raises(ApiError):
        asked(found, "public", [f"2001:db8::{number:x}" for number in range(10)])
    found.count("public", "2001:db8:0:1::1")
    asked(found, "public", [f"192.0.2.{number}" for number in range(10)])
