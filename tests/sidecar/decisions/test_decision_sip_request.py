"""The SIP request of a call, given to those scripts that read it."""

from dataclasses import replace

import pytest

from sidecar.catalog.compile import make_script
from sidecar.kind import Kind
from sidecar.sip_answer import SipAnswer
from sipio.errors import MalformedMessage
from sipio.routing import SipRequest
from tests.sidecar.decisions.desk import Desk, assignment

READING = make_script(id="own", name="own.js", kind=Kind.SCRIPT, text="function main({ sip }) {}")


SIP = SipRequest(uri="sip:15551234;npdi@h", source="192.0.2.1:5060", headers=[("From", "<sip:1@h>;tag=\u2028\x01")])


def reading(text: str = READING.text) -> Desk:
    return Desk(routes={("acme", "uk"): assignment("own")}, scripts={"own": replace(READING, text=text)})


async def test_a_script_that_reads_it_is_given_the_sip_request() -> None:
    desk = reading()
    desk.ask(sip=SIP)
    (run,) = desk.runner.runs
    assert run.data["sip"] == {
        "method": "INVITE",
        "uri": "sip:15551234;npdi@h",
        "source": "192.0.2.1:5060",
        "headers": [["From", "<sip:1@h>;tag=\u2028\x01"]],
    }


async def test_what_proves_the_callers_password_is_not_told() -> None:
    desk = reading()
    secret = [("Authorization", "Digest response=1"), ("PROXY-authorization", "Digest response=2"), ("X", "3")]
    desk.ask(sip=SipRequest(headers=secret))
    (run,) = desk.runner.runs
    assert run.data["sip"]["headers"] == [["X", "3"]]


async def test_where_the_switch_did_not_tell_of_it_it_is_empty() -> None:
    desk = reading()
    desk.ask()
    (run,) = desk.runner.runs
    assert run.data["sip"] == {"method": "", "uri": "", "source": "", "headers": []}


@pytest.mark.parametrize("text", ["function main(data) {}", "let gossip, sip_, $sips;", "data.SIP"])
async def test_a_script_that_does_not_name_it_is_not_given_it(text: str) -> None:
    desk = reading(text)
    desk.ask(sip=SIP)
    (run,) = desk.runner.runs
    assert "sip" not in run.data


@pytest.mark.parametrize("text", ["data.sip.uri", "data['sip']", "const { sip: request } = data", "data?.sip"])
async def test_every_way_to_name_it_counts(text: str) -> None:
    desk = reading(text)
    desk.ask(sip=SIP)
    (run,) = desk.runner.runs
    assert run.data["sip"]["method"] == "INVITE"


async def test_each_script_of_a_call_reads_the_request_as_it_came() -> None:
    desk = Desk(routes={("acme", "uk"): assignment("own")}, first=[assignment("own")], scripts={"own": READING})
    desk.ask(sip=SIP)
    desk.runner.runs[0].returns()
    assert desk.runner.runs[1].data["sip"] == desk.runner.runs[0].data["sip"]


async def test_a_sip_request_that_is_no_text_is_the_switchs_mistake() -> None:
    desk = reading()
    with pytest.raises(MalformedMessage):
        desk.ask(sip=SipRequest(uri="\ud800"))


async def test_one_that_only_a_later_script_reads_gives_that_ones_error_action() -> None:
    closed = assignment("own", error_action=SipAnswer(503, "Closed"))
    desk = Desk(routes={("acme", "uk"): closed}, first=[assignment("plain")], scripts={"own": READING})
    desk.ask(sip=SipRequest(uri="\ud800"))
    desk.runner.runs[0].returns()
    assert (desk.answer.code, desk.answer.outcome) == (503, "script_error")
    assert desk.decisions.pending == 0
