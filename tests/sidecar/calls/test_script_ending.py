"""How a call ends by what its script gave: whatever a worker sends, it is a proper end."""

from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.outcome import Completion, Returned
from sandbox.program import Program
from sidecar.calls.script_ending import failure_after, hangup_after
from sidecar.runs.outcomes import OutcomeName

PROGRAM = Program(key="k", name="a.js", suspends=True, text="", adapter="")


def ended(value: bytes) -> tuple[int, OutcomeName]:
    completion = Completion(Returned(value))
    return hangup_after(completion).code, failure_after(completion, PROGRAM).outcome


@pytest.mark.parametrize(
    ("result", "code", "outcome"),
    [
        ({}, 480, OutcomeName.RETURNED),
        ({"returned": {"reject": [404, "x"]}}, 480, OutcomeName.RETURNED),
        ({"returned": [float("nan"), 2**64 - 1]}, 480, OutcomeName.RETURNED),
        ({"reject": [404, "Not Found"]}, 404, OutcomeName.SIP_ERROR),
        ({"reject": [404, "Not Found"], "returned": b"\xff"}, 404, OutcomeName.SIP_ERROR),
        ({"reject": [200, "OK"]}, 480, OutcomeName.SIP_ERROR),
        ({"reject": "404"}, 480, OutcomeName.RETURNED),
        ({"hungup": True}, 480, OutcomeName.HUNG_UP),
        (None, 480, OutcomeName.RETURNED),
        ([404], 480, OutcomeName.RETURNED),
    ],
)
def test_what_a_script_gave(result: Any, code: int, outcome: OutcomeName) -> None:
    assert ended(msgpack.packb(result)) == (code, outcome)


@given(st.binary(max_size=200))
@example(b"\x81\xa8returned" + b"\x91" * 100_000 + b"\xc0")  # lists within each other
@example(b"\x81\xa6reject\x92\xcd\x01\x94\xa1\xff")  # a reason that is not UTF-8
@example(b"\x82\xa6reject\x92\xcd\x01\x94\xa1x\xa6reject\xc0")  # said twice
@example(b"\x81\xa8returned\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff")  # a time that there is not
def test_whatever_a_worker_sends_ends_the_call(value: bytes) -> None:
    code, outcome = ended(value)
    assert 200 <= code <= 699
    assert outcome in (OutcomeName.RETURNED, OutcomeName.SIP_ERROR, OutcomeName.HUNG_UP)


@given(st.recursive(st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(), st.lists, max_leaves=20))
def test_what_is_returned_means_nothing_to_a_call(returned: Any) -> None:
    assert ended(msgspec.msgpack.encode({"returned": returned})) == (480, OutcomeName.RETURNED)
