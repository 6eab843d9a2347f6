"""The SIP request as a Class 4 script reads it."""

from typing import Any

import pytest

from tests.sidecar.hosts.adapter_runs import INPUT, decided

SIP = {
    "method": "INVITE",
    "uri": "sip:+4420;npdi@h",
    "source": "192.0.2.1:5060",
    "headers": [
        ["v", "SIP/2.0/UDP a"],
        ["Via", "SIP/2.0/UDP b"],
        ["P-Asserted-Identity", "<tel:+44>"],
        ["X-Empty", ""],
        ["s", "compact"],
        ["__proto__", "hostile"],
        ["constructor", "hostile"],
        ["X-Quote", "\"\\'`${x}\u2028"],
    ],
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("data.sip.method", "INVITE"),
        ("data.sip.uri", "sip:+4420;npdi@h"),
        ("data.sip.source", "192.0.2.1:5060"),
        ("data.sip.headers['P-Asserted-Identity']", "<tel:+44>"),
        ("data.sip.headers['p-ASSERTED-identity']", "<tel:+44>"),
        ("data.sip.headers.via", "SIP/2.0/UDP a"),
        ("data.sip.headers.Subject", "compact"),
        ("data.sip.headers.S", "compact"),
        ("data.sip.headers['X-Empty']", ""),
        ("data.sip.headers['X-Quote']", "\"\\'`${x}\u2028"),
        ("data.sip.headers['X-Absent'] === undefined", True),
        ("data.sip.headers[0]", {"key": "v", "value": "SIP/2.0/UDP a"}),
        ("data.sip.headers[99] === undefined", True),
        ("data.sip.headers.length", 8),
        ("data.sip.headers.filter((one) => /^v(ia)?$/i.test(one.key)).map((one) => one.value.slice(-1)).join()", "a,b"),
        ("[...data.sip.headers].length", 8),
        ("Array.isArray(data.sip.headers)", True),
        ("JSON.parse(JSON.stringify(data.sip)).headers[4]", {"key": "s", "value": "compact"}),
        ("data.sip.headers.constructor === Array && ({}).hostile === undefined", True),
        ("data.sip.headers.find((one) => one.key === 'constructor').value", "hostile"),
    ],
)
def test_a_script_reads_the_sip_request(expression: str, value: Any) -> None:
    result = decided(f"data.routing.seen = {expression};", data={**INPUT, "sip": SIP})
    assert result["routing"]["seen"] == value


def test_what_a_script_does_to_the_sip_request_is_its_own_affair() -> None:
    body = "data.sip.headers.length = 0; data.sip.uri = 5; data.sip.headers['X-New'] = 1; delete data.sip; return data;"
    assert decided(body, data={**INPUT, "sip": SIP})["routing"] == INPUT["routing"]


def test_a_var_of_an_assignment_of_before_stays_what_it_was() -> None:
    data = {**INPUT, "sip": SIP, "vars": {"sip": {"trunk": "a"}}}
    assert decided("data.routing.seen = data.sip.trunk;", data=data)["routing"]["seen"] == "a"
