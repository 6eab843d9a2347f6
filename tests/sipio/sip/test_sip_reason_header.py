"""The Q.850 cause of a Reason header."""

import pytest

from sipio.sip.message import parse_message
from sipio.sip.reason_header import q850_cause

FAR = "Q.850;" * 5_000


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Q.850;cause=16", 16),
        ('SIP ;cause=200, q.850 ; text="busy" ; cause = 17', 17),
        ("Q.850;text=none", 0),
        ("SIP;cause=600", 0),
        (FAR + "cause=18", 18),
        ("Q.850;cause=16, SIP;cause=200", 16),
        ("Q.850 cause=16", 0),
        ("Q.850;" * 10_000, 0),
    ],
)
def test_the_cause_is_read_where_it_can_be(reason: str, cause: int) -> None:
    message = parse_message(f"BYE sip:a@b SIP/2.0\r\nReason: {reason}\r\n\r\n".encode())
    assert q850_cause(message.get_all("reason")) == cause
