"""Call records over the API: a tenant's own, found as on the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.operations.call_record import LegRecord
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.operations.test_call_search import keep, record

SIP_ID = "a84b4c/76e66710@pc33.example.com"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("platform"))
    leg = LegRecord(at=0.5, destination="trunk/first/4930100", what="answered", code=200)
    placed = {"placed": True, "server": "main", "extension": "4930200", "legs": [leg], "outcome": "connected"}
    keep(
        made.call_records,
        "2025-11-28",
        record(1, tenant="acme", id=SIP_ID, script="menu", script_version="3f2a"),
        record(2, tenant="beta"),
        record(3, tenant="acme", **placed),
    )
    yield made
    made.stop()


def test_a_tenant_finds_its_own_calls_the_newest_first(desk: PlatformDesk) -> None:
    shown = desk.acme.get("/api/v1/calls").json()
    assert ([one["id"] for one in shown["items"]], shown["next"]) == (["call-3", SIP_ID], None)
    assert shown["items"][1]["arrived"] == "2025-11-28T00:00:01Z"
    first = desk.acme.get("/api/v1/calls", params={"limit": 1}).json()
    second = desk.acme.get("/api/v1/calls", params={"limit": 1, "after": first["next"]}).json()
    assert [one["id"] for one in first["items"] + second["items"]] == ["call-3", SIP_ID]
    for wanted in ({"number": "4930 200"}, {"number": "30100"}, {"since": "2025-11-28T00:00:02"}):
        assert [one["id"] for one in desk.acme.get("/api/v1/calls", params=wanted).json()["items"]] == ["call-3"]
    by_script = desk.acme.get("/api/v1/calls", params={"script": "menu"}).json()
    assert [one["script_version"] for one in by_script["items"]] == ["3f2a"]


def test_a_call_is_shown_in_full_by_its_id_whatever_is_in_that(desk: PlatformDesk) -> None:
    shown = desk.acme.get(f"/api/v1/calls/{SIP_ID}").json()
    assert (shown["script"], shown["script_version"], shown["placed"]) == ("menu", "3f2a", False)
    placed = desk.acme.get("/api/v1/calls/call-3").json()
    assert placed["legs"] == [{"at": 0.5, "destination": "trunk/first/4930100", "what": "answered", "code": 200}]
    assert (placed["server"], placed["extension"], placed["outcome"]) == ("main", "4930200", "connected")


def test_another_tenants_calls_are_none_and_the_operator_sees_all(desk: PlatformDesk) -> None:
    assert desk.beta.get("/api/v1/calls/call-3").status_code == 404
    assert desk.beta.get("/api/v1/calls", params={"everyone": True}).status_code == 403
    every = desk.operator.get("/api/v1/calls", params={"everyone": True}).json()
    assert [one["id"] for one in every["items"]] == ["call-3", "call-2", SIP_ID]
    assert desk.operator.get("/api/v1/calls/call-2", params={"everyone": True}).json()["tenant"] == "beta"


def test_where_none_are_kept_it_is_told(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more='[voice]\nrecords = ""\n')
    try:
        refused = desk.acme.get("/api/v1/calls")
        assert (refused.status_code, refused.json()["detail"]) == (
            404,
            "no call records are kept here: voice.records is empty",
        )
    finally:
        desk.stop()


def test_a_file_that_cannot_be_read_is_503_and_no_fault_of_who_asks(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path)
    (desk.call_records / "calls-2025-11-28.jsonl").mkdir()
    try:
        assert desk.acme.get("/api/v1/calls").status_code == 503
    finally:
        desk.stop()
    assert desk.log_lines("call_records_not_read")
