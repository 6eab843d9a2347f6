"""Where scripts' connections may go: names, ports and addresses, as the operator has named them."""

import pytest

from sidecar.hosts.outgoing.policy import OutgoingPolicy, OutgoingRefused, policy

NAMED = policy(["api.example.com", "*.provider.example", "127.0.0.1"], ["127.0.0.1/32", "fd00::/8"], [25, 5432])


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("https", "api.example.com", None),
        ("https", "API.Example.COM.", 443),
        ("http", "a.b.provider.example", 8080),
        ("http", "127.0.0.1", 80),
        ("wss", "api.example.com", None),
        ("http", "api.example.com", 5432),
    ],
)
def test_what_is_named_may_be_reached(scheme: str, host: str, port: int | None) -> None:
    NAMED.check_host(scheme, host, port)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "reason"),
    [
        ("ftp", "api.example.com", None, "scheme"),
        ("file", "", None, "scheme"),
        ("http", "", None, "no host"),
        ("http", "example.com", None, "not among the hosts"),
        ("http", "provider.example", None, "not among the hosts"),
        ("http", "evilprovider.example", None, "not among the hosts"),
        ("http", "93.184.216.34", None, "not among the hosts"),
        ("http", "api.example.com", 22, "port 22"),
        ("http", "api.example.com", 443, "port 443"),
        ("http", "api.example.com", 0, "port 0"),
        ("http", "api.example.com", 5060, "port 5060"),
        ("http", "api.example.com", 6379, "port 6379"),
    ],
)
def test_what_is_not_named_may_not(scheme: str, host: str, port: int | None, reason: str) -> None:
    with pytest.raises(OutgoingRefused, match=reason):
        NAMED.check_host(scheme, host, port)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%2"])
def test_an_address_of_this_side_is_not_reached_because_every_name_is(host: str) -> None:
    with pytest.raises(OutgoingRefused, match="not an address"):
        OutgoingPolicy().check_host("http", host, None)


def test_a_network_that_is_named_may_be_reached_by_each_form_of_its_addresses() -> None:
    assert NAMED.allows_address("x", "127.0.0.1")
    assert NAMED.allows_address("x", "::ffff:127.0.0.1")
    assert NAMED.allows_address("x", "fd12::1")
    assert not NAMED.allows_address("x", "127.0.0.2")
    assert not NAMED.allows_address("x", "::1")


def test_a_network_is_one() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        policy(["*"], ["somewhere"], [])


def test_what_only_looks_like_an_address_is_none() -> None:
    with pytest.raises(OutgoingRefused, match="is not an address"):
        OutgoingPolicy().check_host("http", "0:0:0:0:0:ffff:127.1", None)
