"""Finding call records: from the end of the files, step by step, whatever is in them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.operations import call_search
from sidecar.operations.call_record import CallRecord
from sidecar.operations.call_search import CallSearch, exactly, newest, search
from sidecar.text import safe_json

MIDNIGHT = 1_764_288_000.0
"""Of 28 November 2025."""


def record(number: int, **more: Any) -> CallRecord:
    fields = {
        "driver": "sip",
        "cli": f"49{number}",
        "dest_number": "100",
        "arrived": MIDNIGHT + number,
        "ended": 1.0,
        "hangup_by": "caller",
        "cause": 16,
        "outcome": "returned",
    }
    return CallRecord(**{"id": f"call-{number}", **fields, **more})


def keep(directory: Path, day: str, *records: CallRecord | bytes) -> None:
    lines = [one if isinstance(one, bytes) else safe_json(one) for one in records]
    (directory / f"calls-{day}.jsonl").write_bytes(b"".join(lines))


def ids(records: list[CallRecord]) -> list[str]:
    return [one.id for one in records]


@given(
    block=st.integers(1, 400),
    lengths=st.lists(st.integers(0, 300), max_size=8),
    broken=st.sets(st.integers(0, 8)),
    cut=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_of_any_length_are_read_from_the_end_in_blocks_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, lengths: list[int], broken: set[int], cut: bool
) -> None:
    monkeypatch.setattr(call_search, "BLOCK_BYTES", block)
    lines: list[CallRecord | bytes] = [
        b'{"id":' + b"x" * length + b"\n" if number in broken else record(number, log=["y" * length])
        for number, length in enumerate(lengths)
    ]
    keep(tmp_path, "2025-11-28", *lines, *([b'{"id":"call-99"'] if cut else []))
    whole = [one.id for one in lines if isinstance(one, CallRecord)]
    assert ids(list(newest(tmp_path))) == whole[::-1]
    paged, after = [], None
    while True:
        found = search(tmp_path, CallSearch(), after, 2)
        paged += ids(found.records)
        if found.next is None:
            break
        after = found.next
    assert paged == whole[::-1]


def test_a_search_is_of_a_tenant_a_number_a_script_and_a_time(tmp_path: Path) -> None:
    keep(tmp_path, "2025-11-27", record(-5, tenant="acme", script="menu"))
    keep(
        tmp_path,
        "2025-11-28",
        record(1, tenant="acme", script="menu"),
        record(2, tenant="beta", script="menu"),
        record(3, tenant="acme", script="other", placed=True, extension="4930-200"),
    )

    def found(**wanted: Any) -> list[str]:
        return ids(search(tmp_path, CallSearch(**wanted), None, 10).records)

    assert found() == ["call-3", "call-2", "call-1", "call--5"]
    assert found(tenant="acme") == ["call-3", "call-1", "call--5"]
    assert found(tenant="acme", script="menu") == ["call-1", "call--5"]
    assert found(number="+4930 200".lstrip("+")) == ["call-3"]
    assert found(since=MIDNIGHT + 2) == ["call-3", "call-2"]
    assert found(until=MIDNIGHT) == ["call--5"]
    assert [one.id for one in exactly(tmp_path, "call-1")] == ["call-1"]
    assert list(exactly(tmp_path, "call-")) == []


def test_a_step_ends_after_so_many_records_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_search, "LOOKED_AT", 3)
    keep(tmp_path, "2025-11-28", record(0, tenant="acme"), *(record(number) for number in range(1, 8)))
    steps, after = [], None
    while True:
        found = search(tmp_path, CallSearch(tenant="acme"), after, 10)
        steps.append(ids(found.records))
        after = found.next
        if after is None:
            break
    assert steps == [[], [], ["call-0"]]


def test_what_is_written_meanwhile_is_not_found_twice(tmp_path: Path) -> None:
    keep(tmp_path, "2025-11-28", *(record(number) for number in range(3)))
    first = search(tmp_path, CallSearch(), None, 1)
    with (tmp_path / "calls-2025-11-28.jsonl").open("ab") as file:
        file.write(safe_json(record(9)))
    assert ids(first.records + search(tmp_path, CallSearch(), first.next, 10).records) == ["call-2", "call-1", "call-0"]
