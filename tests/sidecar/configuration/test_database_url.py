"""The address of a database."""

from pathlib import Path

import pytest

from sidecar.configuration.database_url import Database, DatabaseUrl, InvalidDatabaseUrl
from sidecar.configuration.source import InvalidConfigurationError, build_configuration
from sidecar.configuration.text import effective_configuration


def test_sqlite_is_a_file() -> None:
    url = DatabaseUrl.parse("sqlite:////var/lib/a%20b.db")
    assert (url.database, url.path, str(url)) == (
        Database.SQLITE,
        Path("/var/lib/a b.db"),
        "sqlite:////var/lib/a%20b.db",
    )
    assert DatabaseUrl.parse("sqlite:///platform.db").path == Path("platform.db")


def test_a_server_has_a_user_and_a_password_that_nothing_shows() -> None:
    url = DatabaseUrl.parse("postgres://app:p%40ss%2Fword@[::1]:5433/name?tls_ca=/etc/ca.pem")
    assert (url.user, url.password, url.host, url.port, url.name) == ("app", "p@ss/word", "::1", 5433, "name")
    assert str(url) == "postgresql://app:***@[::1]:5433/name?tls_ca=/etc/ca.pem"
    assert "p@ss" not in repr(url)
    assert DatabaseUrl.parse("mariadb://h/x").database is Database.MYSQL
    assert DatabaseUrl.parse("mysql:///x?socket=/run/m.sock").socket == Path("/run/m.sock")


def test_a_configuration_shows_no_password() -> None:
    loaded = build_configuration('[catalog]\nurl = "mysql://u:s3cret@h/x"\n', {})
    assert loaded.configuration.catalog.url == DatabaseUrl.parse("mysql://u:s3cret@h/x")
    assert 'url = "mysql://u:***@h/x"' in effective_configuration(loaded)
    assert "s3cret" not in repr(loaded)
    for text in ("mysql://u:s3cret@h", "mysql://u:s3cret@h/x?y=1", "s3cret"):
        with pytest.raises(InvalidConfigurationError) as raised:
            build_configuration(None, {"SCRIPTFORGE_CATALOG__URL": text})
        assert "s3cret" not in str(raised.value)
    assert build_configuration('[catalog]\nurl = ""\n', {}).configuration.catalog.url is None


def test_a_catalog_is_in_one_place() -> None:
    with pytest.raises(InvalidConfigurationError, match="the catalog is in one of them"):
        build_configuration('[catalog]\nurl = "mysql://h/x"\ndirectory = "/srv"\n', {})


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "oracle://u:secret@h/x", "sqlite://", "sqlite:///", "sqlite://host/x", "postgresql://u:secret@h",
        "postgresql://u:secret@h/", "postgresql:///x", "mysql://u:secret@h:port/x", "mysql://u:secret@h/x?sslmode=require",
        "mysql://u:secret@h/a/b", "sqlite:////a\x00b", "mysql://u:secret@[::1/x",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(InvalidDatabaseUrl) as raised:
        DatabaseUrl.parse(text)
    assert "secret" not in str(raised.value)
