"""The address of what several machines share."""

from pathlib import Path

import pytest

from sidecar.configuration.shared_url import InvalidSharedUrl, SharedUrl
from sidecar.configuration.source import InvalidConfigurationError, build_configuration
from sidecar.configuration.text import effective_configuration


def test_valkey_and_redis_are_the_same() -> None:
    url = SharedUrl.parse("redis://app:p%40ss%2Fword@[::1]:6380/3")
    assert url == SharedUrl.parse("valkey://app:p%40ss%2Fword@[::1]:6380/3")
    assert (url.user, url.password, url.host, url.port, url.database) == ("app", "p@ss/word", "::1", 6380, 3)
    assert str(url) == "valkey://app:***@[::1]:6380/3"
    assert "p@ss" not in repr(url)
    assert url != SharedUrl.parse("valkey://app:other@[::1]:6380/3")
    assert str(SharedUrl.parse("redis://h")) == "valkey://h:6379/0"


def test_tls_is_checked_against_the_system_or_a_file() -> None:
    assert SharedUrl.parse("rediss://h").tls
    assert SharedUrl.parse("valkeys://h?tls_ca=/etc/ca.pem").tls_ca == Path("/etc/ca.pem")
    assert str(SharedUrl.parse("rediss://h?tls_ca=/etc/ca.pem")) == "valkeys://h:6379/0?tls_ca=/etc/ca.pem"


def test_a_unix_socket_is_a_path() -> None:
    url = SharedUrl.parse("unix://:secret@/run/a%20b.sock?database=2")
    assert (url.path, url.database, url.password, str(url)) == (
        Path("/run/a b.sock"),
        2,
        "secret",
        "unix://:***@/run/a%20b.sock?database=2",
    )


def test_a_configuration_shows_no_password() -> None:
    loaded = build_configuration('[shared]\nurl = "redis://u:s3cret@h/1"\n', {})
    assert loaded.configuration.shared.url == SharedUrl.parse("redis://u:s3cret@h/1")
    assert 'url = "valkey://u:***@h:6379/1"' in effective_configuration(loaded)
    assert "s3cret" not in repr(loaded)
    with pytest.raises(InvalidConfigurationError) as raised:
        build_configuration(None, {"SCRIPTFORGE_SHARED__URL": "redis://u:s3cret@h/x"})
    assert "s3cret" not in str(raised.value)
    assert build_configuration('[shared]\nurl = ""\n', {}).configuration.shared.url is None


def test_a_prefix_is_plain() -> None:
    with pytest.raises(InvalidConfigurationError, match=r"shared\.prefix"):
        build_configuration('[shared]\nprefix = "a:b"\n', {})


@pytest.mark.parametrize(
    "text",
    [
        "x", "http://u:secret@h", "redis://", "redis://:secret@/0", "redis://u:secret@h/0/1", "redis://u:secret@h/-1",
        "redis://u:secret@h/99999", "redis://u:secret@h:port", "redis://u:secret@h?tls_ca=/x", "rediss://u:secret@h?x=1",
        "unix://", "unix:///", "unix://host/run/x", "unix:///run/x?database=one", "redis://a\x00b", "redis://u:sec#ret@h",
        "redis://u:secret@[::1/0",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(InvalidSharedUrl) as raised:
        SharedUrl.parse(text)
    assert "secret" not in str(raised.value)
