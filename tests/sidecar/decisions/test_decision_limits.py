"""A tenant past its limit has its own failure action, and nobody else's call is any different."""

from dataclasses import replace

from sidecar.catalog.limits import TenantLimits
from sidecar.runs.outcomes import OutcomeName
from sidecar.sip_answer import SipAnswer
from sipio.routing import Action
from tests.sidecar.decisions.desk import Desk, assignment, script

BUSY = SipAnswer(503, "Acme Has Too Many")


def desk() -> Desk:
    made = Desk(
        routes={
            ("acme", ""): assignment("theirs", error_action=BUSY),
            ("beta", ""): assignment("others", error_action=SipAnswer(500, "Never")),
        },
        scripts={
            "theirs": replace(script("theirs"), tenant="acme"),
            "others": replace(script("others"), tenant="beta"),
        },
    )
    made.decisions.grants.limit({"acme": TenantLimits(runs_at_once=1)})
    return made


def test_the_call_past_the_limit_has_the_tenants_error_action() -> None:
    one = desk()
    one.ask(customer="acme")
    one.ask(customer="acme")
    (refused,) = one.answers
    assert (refused.action, refused.code, refused.reason) == (Action.REJECT, 503, "Acme Has Too Many")
    assert refused.outcome == OutcomeName.REFUSED
    failure = one.told[0].failure
    assert failure is not None
    assert failure.message == "more than 1 runs at once"
    assert len(one.runner.runs) == 1


def test_another_tenants_calls_are_decided_meanwhile() -> None:
    one = desk()
    one.ask(customer="acme")
    one.ask(customer="acme")
    for _ in range(3):
        one.ask(customer="beta")
    for run in list(one.runner.runs):
        run.returns()
    assert [answer.code for answer in one.answers if answer.action is Action.REJECT] == [503]
    assert len(one.answers) == 5


def test_a_run_that_is_over_makes_room_however_it_ended() -> None:
    one = desk()
    for _ in range(3):
        deciding = one.ask(customer="acme")
        deciding.cancel()
    one.ask(customer="acme")
    one.decisions.fail_pending()
    one.ask(customer="acme")
    one.runner.runs[-1].returns()
    assert one.answers[-1].action is Action.ROUTE
    assert [answer.reason for answer in one.answers].count("Acme Has Too Many") == 1, "that of the end alone"


def test_a_script_on_every_call_is_of_its_own_tenant() -> None:
    one = Desk(
        routes={("acme", ""): assignment("theirs", error_action=BUSY)},
        first=(assignment("everywhere", error_action=SipAnswer(500, "Never")),),
        scripts={"theirs": replace(script("theirs"), tenant="acme"), "everywhere": script("everywhere")},
    )
    one.decisions.grants.limit({"acme": TenantLimits(runs_at_once=0)})
    one.ask(customer="acme")
    one.runner.runs[-1].returns()
    assert one.answers[0].reason == "Acme Has Too Many"
