"""Failed logins in the log."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sidecar.logs.logger import json_line
from sidecar.switches.failed_logins import LINES, PER_SOURCE, WINDOW_SECONDS, FailedLogins
from sipio.sip.address import Address
from sipio.sip.events import LoginFailed

FILTER = Path(__file__).parents[3] / "config" / "fail2ban" / "scriptforge.conf"


def lines_of(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    """Action and fields of each line."""
    return [(record.msg, vars(record)["fields"]) for record in caplog.records]


def failure(host: str = "192.0.2.7", user: str = "alice") -> LoginFailed:
    return LoginFailed(user=user, method="REGISTER", source=Address("udp", host, 5062))


def test_a_line_names_the_address_first(caplog: pytest.LogCaptureFixture) -> None:
    FailedLogins().failed(failure(user="x" * 1_000), 5.0)
    ((action, fields),) = lines_of(caplog)
    assert action == "login_failed"
    assert list(fields) == ["source", "port", "transport", "method", "user"]
    assert fields["source"] == "192.0.2.7"
    assert len(fields["user"]) == 80


def test_a_phone_that_may_not_answer_as_it_does_is_named_and_not_banned(caplog: pytest.LogCaptureFixture) -> None:
    event = LoginFailed(user="old", method="REGISTER", source=Address("udp", "192.0.2.7", 5062), without_qop=True)
    FailedLogins().failed(event, 5.0)
    ((action, fields),) = lines_of(caplog)
    assert (action, fields["user"]) == ("login_without_qop", "old")


def test_one_address_has_as_many_lines_as_a_ban_takes_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logins = FailedLogins()
    for _ in range(1_000):
        logins.failed(failure(), 5.0)
    assert len(lines_of(caplog)) == PER_SOURCE
    logins.failed(failure("192.0.2.8"), 6.0)
    assert len(lines_of(caplog)) == PER_SOURCE + 1
    logins.failed(failure(), 5.0 + WINDOW_SECONDS)
    lines = lines_of(caplog)
    assert lines[PER_SOURCE + 1 :] == [
        ("logins_failed_unlogged", {"count": 1_000 - PER_SOURCE}),
        ("login_failed", lines[0][1]),
    ]


def test_many_addresses_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logins = FailedLogins()
    for number in range(3 * LINES):
        logins.failed(failure(f"2001:db8::{number:x}"), 5.0)
    assert len(lines_of(caplog)) == LINES


def expression() -> re.Pattern[str]:
    """The filter's, as fail2ban reads it: what stands for the address, and the date cut out before."""
    (line,) = (line for line in FILTER.read_text().splitlines() if line.startswith("failregex"))
    return re.compile(line.partition("=")[2].strip().replace("<ADDR>", r"(?P<host>[0-9a-f.:]+)"))


@pytest.mark.parametrize(
    ("user", "host"),
    [
        ("alice", "192.0.2.7"),
        ("alice", "2001:db8::7"),
        ('","source":"198.51.100.1', "192.0.2.7"),
        ('\r\n{"action":"login_failed","source":"198.51.100.1"}', "192.0.2.7"),
    ],
)
def test_the_filter_of_fail2ban_finds_the_address_that_it_came_from(
    user: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    FailedLogins().failed(failure(host, user), 5.0)
    ((action, fields),) = lines_of(caplog)
    written = json_line(1_700_000_000.5, "warning", action, fields)
    assert json.loads(written)["user"] == user
    (line,) = written.decode().splitlines()
    found = expression().search(line)
    assert found is not None
    assert found["host"] == host
    assert expression().search(line.replace("login_failed", "phone")) is None
