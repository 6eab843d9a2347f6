"""Routes that the switch leaves open where their error action would close them are told of."""

import pytest

from sidecar.sip_answer import SipAnswer
from tests.sidecar.decisions.desk import Desk, assigned, assignment


def open_routes(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [vars(record)["fields"] for record in caplog.records if record.msg == "switch_fails_open"]
    return [(fields["customer"], fields["error_action"]) for fields in found]


async def test_a_route_that_the_switch_leaves_open_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = assigned(error_action=SipAnswer(503, "Closed"))
    for fail_closed in (None, True, False, False):
        desk.ask(fail_closed=fail_closed)
    assert open_routes(caplog) == [("acme", "503 Closed")]


async def test_a_route_that_goes_on_after_an_error_may_be_left_open(caplog: pytest.LogCaptureFixture) -> None:
    assigned(error_action=None).ask(fail_closed=False)
    assert open_routes(caplog) == []


async def test_not_every_route_of_thousands_is_named(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(routes={("acme", str(n)): assignment("own", error_action=SipAnswer(503, "Closed")) for n in range(30)})
    for n in range(30):
        desk.ask(route=str(n), fail_closed=False)
    assert len(open_routes(caplog)) == 20
