"""Numbers of carriers over HTTP: whatever fails between, none is lost, and none is paid for twice."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.database_fixtures import DATABASES
from tests.database_servers import Servers, new_database
from tests.sidecar.http.carrier import DRIVER, NAMED_EXPORTS, Carrier
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.http.test_api_catalog import kind_of

OUTGOING = '[outgoing]\nnetworks = ["127.0.0.0/8"]'
ROUTES = "export const main = (data) => data;\n"


@pytest.fixture(scope="module")
def carrier() -> Iterator[Carrier]:
    carrier = Carrier()
    yield carrier
    carrier.close()


@pytest.fixture(scope="module", params=DATABASES)
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, servers: type[Servers], carrier: Carrier
) -> Iterator[PlatformDesk]:
    """A platform on each kind of database, where acme buys of the carrier."""
    address = None if request.param == "sqlite" else new_database(request.param)
    desk = PlatformDesk(tmp_path_factory.mktemp("platform"), address, more=OUTGOING, driver_seconds=10.0)
    environment = {"PROVIDER": carrier.url}
    desk.script("driver", DRIVER, kind="driver", environment=environment)
    desk.script("exports", NAMED_EXPORTS, kind="driver", environment=environment)
    desk.script("routes", ROUTES)
    provider(desk, "carrier", "driver")
    provider(desk, "named", "exports")
    carrier.free |= carrier.mine
    carrier.mine.clear()
    carrier.bought.clear()
    yield desk
    desk.stop()


def provider(desk: PlatformDesk, name: str, script: str, mode: str = "live") -> None:
    made = desk.operator.put(
        f"/api/v1/providers/{name}",
        params={"tenant": "acme"},
        json={"script": script, "mode": mode, "company": "Carrier Ltd"},
    )
    made.raise_for_status()


def have(desk: PlatformDesk, did: str, **more: Any) -> httpx.Response:
    return desk.acme.put(f"/api/v1/dids/{did}", json={"provider": "carrier", **more})


def release(desk: PlatformDesk, did: str, **query: Any) -> httpx.Response:
    return desk.acme.delete(f"/api/v1/dids/{did}", params=query, headers={"If-Match": "*"})


def audited(desk: PlatformDesk, did: str) -> list[str]:
    """What was done with a number, the first first."""
    found = desk.acme.get("/api/v1/audit", params={"limit": 500}).json()["items"]
    return [one["action"] for one in reversed(found) if one["object"] == did]


@pytest.mark.parametrize("name", ["carrier", "named"])
def test_a_carrier_is_asked_what_it_has(desk: PlatformDesk, name: str) -> None:
    found = desk.acme.post(f"/api/v1/providers/{name}/search", json={"number": "442010"}).json()
    assert found["items"][0] == {"did": "4420100", "monthly": 2}
    assert len(found["items"]) == 10
    assert desk.acme.post(f"/api/v1/providers/{name}/list").json()["missing"] == []


def test_a_number_is_bought_given_to_a_script_and_given_back(desk: PlatformDesk, carrier: Carrier) -> None:
    made = have(desk, "4420100", customer="acme", assignment={"script": "routes", "vars": {"a": 1}})
    assert made.status_code == 201, made.text
    found = made.json()
    assert {key: found[key] for key in ("did", "provider", "customer", "state", "script")} == {
        "did": "4420100",
        "provider": "carrier",
        "customer": "acme",
        "state": "held",
        "script": "routes",
    }
    assert found["details"] == {"package_id": 7}
    assert desk.acme.get("/api/v1/dids/4420100").headers["etag"] == made.headers["etag"]
    (assigned,) = [
        one
        for one in desk.acme.get("/api/v1/assignments", params={"type": "did"}).json()["items"]
        if one["number"] == "4420100"
    ]
    assert (assigned["script"], assigned["customer"], assigned["vars"]) == ("routes", "acme", {"a": 1})
    again = have(desk, "tel:4420100", customer="acme", assignment={"script": "routes", "vars": {"a": 1}})
    assert (again.status_code, carrier.bought) == (200, ["4420100"])
    assert kind_of(release(desk, "4420100")) == (409, "still-used")
    assert carrier.mine == {"4420100"}
    assert release(desk, "4420100", unassign=True).json() == {"did": "4420100", "test": False}
    assert carrier.mine == set()
    assert kind_of(desk.acme.get("/api/v1/dids/4420100")) == (404, "not-there")
    assert desk.acme.get("/api/v1/assignments", params={"script": "routes"}).json()["items"] == []
    assert audited(desk, "4420100") == ["number.allocate", "number.hold", "number.release", "number.remove"]


def test_numbers_are_looked_through(desk: PlatformDesk) -> None:
    for number in ("4420110", "4420111", "4420112"):
        assert have(desk, number, customer="c9" if number.endswith("2") else None).status_code == 201

    def listed(**query: Any) -> list[str]:
        return [one["did"] for one in desk.acme.get("/api/v1/dids", params=query).json()["items"]]

    assert listed(number="42011") == ["4420110", "4420111", "4420112"]
    assert listed(number="42011", inventory=True) == ["4420110", "4420111"]
    assert listed(customer="c9") == ["4420112"]
    assert listed(provider="named") == []
    assert listed(number="%") == []
    first = desk.acme.get("/api/v1/dids", params={"limit": 2}).json()
    assert [one["did"] for one in first["items"]] == ["4420110", "4420111"]
    assert listed(after=first["next"]) == ["4420112"]
    assert desk.beta.get("/api/v1/dids").json()["items"] == []
    for number in ("4420110", "4420111", "4420112"):
        assert release(desk, number).status_code == 200


def test_whose_a_number_is_is_said_by_who_has_seen_it(desk: PlatformDesk) -> None:
    made = have(desk, "4420115")
    assert (made.status_code, made.json()["customer"]) == (201, None)
    changed = {"provider": "carrier", "customer": "c1"}
    assert kind_of(desk.acme.put("/api/v1/dids/4420115", json=changed)) == (428, "precondition-required")
    condition = {"If-Match": made.headers["etag"]}
    seen = desk.acme.put("/api/v1/dids/4420115", json=changed, headers=condition)
    assert (seen.status_code, seen.json()["customer"]) == (200, "c1")
    other = {"provider": "carrier", "customer": "c2"}
    assert kind_of(desk.acme.put("/api/v1/dids/4420115", json=other, headers=condition)) == (412, "changed-meanwhile")
    assert have(desk, "4420115").json()["customer"] == "c1"
    assert kind_of(desk.acme.put("/api/v1/dids/4420115", json={"provider": "named"})) == (422, "wrong-values")
    assert kind_of(desk.acme.delete("/api/v1/dids/4420115")) == (428, "precondition-required")
    assert release(desk, "4420115").status_code == 200


def test_a_refused_number_leaves_nothing(desk: PlatformDesk) -> None:
    assert kind_of(have(desk, "999")) == (409, "refused")
    assert kind_of(desk.acme.get("/api/v1/dids/999")) == (404, "not-there")
    assert audited(desk, "999") == ["number.allocate", "number.refused"]


def test_a_driver_that_is_wrong_is_named_with_its_place(desk: PlatformDesk, carrier: Carrier) -> None:
    carrier.answers_html = True
    try:
        answer = desk.acme.post("/api/v1/providers/carrier/list")
    finally:
        carrier.answers_html = False
    assert kind_of(answer) == (502, "driver-failed")
    detail = answer.json()["detail"]
    assert "list: " in detail
    assert "JSON" in detail
    assert detail.startswith("driver.js:9:")
    assert answer.json()["problems"][0]["line"] == 9
    desk.script(
        "shapeless", "export const list = () => [{ did: 5 }];\nexport const search = () => 'x';\n", kind="driver"
    )
    provider(desk, "shapeless", "shapeless")
    answer = desk.acme.post("/api/v1/providers/shapeless/list")
    assert kind_of(answer) == (502, "driver-wrong")
    assert answer.json()["detail"] == (
        "shapeless.js:1:14: list: its result's [0].did: expected a number as text, got a number"
    )
    answer = desk.acme.post("/api/v1/providers/shapeless/search", json={"number": "1"})
    assert "search: its result: expected a list of objects with a `did`, got text 'x'" in answer.json()["detail"]
    answer = desk.acme.put("/api/v1/dids/123", json={"provider": "shapeless"})
    assert kind_of(answer) == (409, "function-missing")
    assert kind_of(desk.acme.get("/api/v1/dids/123")) == (404, "not-there")


def test_a_sale_whose_answer_does_not_come_is_settled_and_not_bought_again(
    desk: PlatformDesk, carrier: Carrier
) -> None:
    before = len(carrier.bought)
    hanging = threading.Event()
    carrier.after_sale = lambda: hanging.wait(60)
    try:
        assert kind_of(have(desk, "4420120")) == (504, "driver-timeout")
        found = desk.acme.get("/api/v1/dids/4420120").json()
        assert found["state"] == "allocating"
        assert "time limit" in found["fault"]
        assert kind_of(have(desk, "4420120")) == (409, "unsettled")
        assert kind_of(release(desk, "4420120")) == (409, "unsettled")
        assert carrier.bought[before:] == ["4420120"]
    finally:
        hanging.set()
        carrier.after_sale = lambda: None
    listed = desk.acme.post("/api/v1/providers/carrier/list").json()
    assert (listed["unknown"], listed["missing"]) == ([], [])
    by_hand = desk.acme.post("/api/v1/dids/4420120/settle", json={"held": True})
    assert kind_of(by_hand) == (403, "not-allowed")
    assert desk.acme.post("/api/v1/dids/4420120/settle", json={}).json() == {"did": "4420120", "held": True}
    assert desk.acme.get("/api/v1/dids/4420120").json()["state"] == "held"
    assert kind_of(desk.acme.post("/api/v1/dids/4420120/settle", json={})) == (409, "already-there")
    assert release(desk, "4420120").status_code == 200
    assert carrier.bought[before:] == ["4420120"]


def test_a_number_that_the_carrier_has_for_us_is_taken_without_buying(desk: PlatformDesk, carrier: Carrier) -> None:
    before = list(carrier.bought)
    carrier.mine.add("4420130")
    assert desk.acme.post("/api/v1/providers/carrier/list").json()["unknown"] == ["4420130"]
    assert have(desk, "4420130", adopt=True).json()["state"] == "held"
    assert carrier.bought == before
    assert kind_of(have(desk, "4420131", adopt=True)) == (409, "refused")
    assert release(desk, "4420130").status_code == 200


def test_whoever_goes_away_leaves_a_number_that_is_written(desk: PlatformDesk, carrier: Carrier) -> None:
    asked, going = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        going.wait(10)

    carrier.after_sale = wait
    client = desk.client(desk.acme.headers["authorization"].removeprefix("Bearer "))

    def ask() -> None:
        with contextlib.suppress(httpx.HTTPError, RuntimeError):
            client.put("/api/v1/dids/4420135", json={"provider": "carrier"}, timeout=0.3)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(10)
    thread.join()
    carrier.after_sale = lambda: None
    going.set()
    for _ in range(200):
        if desk.acme.get("/api/v1/dids/4420135").json()["state"] == "held":
            break
        threading.Event().wait(0.05)
    assert desk.acme.get("/api/v1/dids/4420135").json()["state"] == "held"
    client.close()
    assert release(desk, "4420135").status_code == 200


def test_in_mode_test_nothing_is_kept(desk: PlatformDesk, carrier: Carrier) -> None:
    before = list(carrier.bought)
    made = desk.acme.put("/api/v1/providers/tried", json={"script": "driver"})
    assert (made.status_code, made.json()["mode"]) == (201, "test")
    tried = desk.acme.put("/api/v1/dids/4420140", json={"provider": "tried"})
    assert (tried.status_code, tried.json()["state"]) == (200, "test")
    assert carrier.bought == [*before, "4420140"]
    assert kind_of(desk.acme.get("/api/v1/dids/4420140")) == (404, "not-there")
    assert audited(desk, "4420140") == ["number.test"]
    carrier.mine.discard("4420140")
    carrier.free.add("4420140")


def test_live_is_for_the_operator_to_say(desk: PlatformDesk) -> None:
    own = {"script": "driver", "mode": "live"}
    assert kind_of(desk.acme.put("/api/v1/providers/own", json=own)) == (403, "not-allowed")
    there = {"If-Match": "*"}
    changed = desk.acme.put("/api/v1/providers/carrier", json={"script": "exports"}, headers=there)
    assert kind_of(changed) == (403, "not-allowed")
    assert kind_of(desk.acme.delete("/api/v1/providers/carrier", headers=there)) == (403, "not-allowed")
    assert kind_of(desk.acme.put("/api/v1/providers/own", json={"script": "routes"})) == (422, "wrong-values")
    desk.script("12", ROUTES, name="menu.js")
    wrong = desk.acme.put("/api/v1/providers/own", json={"script": "12"})
    assert "'menu.js' (12) is an App, and a provider is asked by a Driver" in wrong.json()["detail"]
    assert kind_of(desk.acme.put("/api/v1/providers/own", json={"script": "none"})) == (404, "not-there")
    assert kind_of(desk.acme.delete("/api/v1/scripts/driver", headers=there)) == (409, "still-used")
    kind = desk.acme.put("/api/v1/scripts/driver/text", json={"text": ROUTES, "kind": "app"}, headers=there)
    assert kind_of(kind) == (409, "still-used")


def test_what_is_another_tenants_is_not_there(desk: PlatformDesk) -> None:
    assert have(desk, "4420150").status_code == 201
    desk.script("theirs", "export const allocate = () => ({});", kind="driver", client=desk.beta)
    made = desk.operator.put(
        "/api/v1/providers/theirs", params={"tenant": "beta"}, json={"script": "theirs", "mode": "live"}
    )
    assert made.status_code == 201
    assert kind_of(desk.beta.get("/api/v1/dids/4420150")) == (404, "not-there")
    assert kind_of(desk.beta.post("/api/v1/dids/4420150/settle", json={})) == (404, "not-there")
    assert kind_of(desk.beta.post("/api/v1/providers/carrier/list")) == (404, "not-there")
    assert kind_of(desk.beta.put("/api/v1/dids/4420150", json={"provider": "theirs"})) == (409, "already-there")
    assert kind_of(desk.beta.put("/api/v1/dids/777", json={"provider": "carrier"})) == (404, "not-there")
    assert release(desk, "4420150").status_code == 200


def test_what_could_not_be_assigned_is_not_bought(desk: PlatformDesk, carrier: Carrier) -> None:
    before = list(carrier.bought)
    assert kind_of(have(desk, "4420155", assignment={"script": "none"})) == (404, "not-there")
    assert kind_of(have(desk, "4420155", assignment={"script": "driver"})) == (422, "wrong-values")
    assert kind_of(have(desk, "%20")) == (422, "wrong-values")
    assert carrier.bought == before
    assert kind_of(desk.acme.get("/api/v1/dids/4420155")) == (404, "not-there")


def test_scopes_are_needed(desk: PlatformDesk) -> None:
    reader = desk.client(desk.token("acme", "read"))
    assert reader.get("/api/v1/dids").status_code == 200
    for answer in (
        reader.put("/api/v1/dids/4420156", json={"provider": "carrier"}),
        reader.delete("/api/v1/dids/4420156"),
        reader.post("/api/v1/dids/4420156/settle", json={}),
        reader.put("/api/v1/providers/x", json={"script": "driver"}),
        reader.post("/api/v1/providers/carrier/search", json={"number": "1"}),
        reader.post("/api/v1/providers/carrier/list"),
    ):
        assert kind_of(answer) == (403, "scope-missing")
    reader.close()


# ---- kinds by hand ----


def test_a_drivers_function_is_tried_by_hand(desk: PlatformDesk, carrier: Carrier) -> None:
    found = desk.acme.post("/api/v1/scripts/driver/run/search", json={"number": "442015"}).json()
    assert found["result"][0]["monthly"] == 2
    wrong = desk.acme.post("/api/v1/scripts/shapeless/run/list").json()
    assert (wrong["outcome"], wrong["location"]) == ("wrong_result", "shapeless.js:1:14")
    assert "[0].did" in wrong["error"]
    desk.acme.post("/api/v1/scripts/driver/run/allocate", json={"did": "nothing"}).raise_for_status()
    entries = desk.acme.get("/api/v1/audit").json()["items"]
    assert [one["after"] for one in entries if one["action"] == "driver.run"] == [
        {"function": "allocate", "data": {"did": "nothing"}}
    ]


def test_a_driver_and_a_worker_are_asked_by_no_call_and_no_uuid(desk: PlatformDesk) -> None:
    driver = desk.acme.get("/api/v1/scripts/driver").json()
    assert desk.acme.post(f"/run/{driver['uuid']}/search", json={"number": "1"}).status_code == 404
    public = {"name": "d.js", "text": DRIVER, "kind": "driver", "public": True}
    assert kind_of(desk.acme.put("/api/v1/scripts/open", json=public)) == (422, "wrong-values")
    route = desk.acme.put("/api/v1/assignments", json={"customer": "acme", "script": "driver"})
    assert kind_of(route) == (422, "wrong-values")
    everywhere = {"name": "d.js", "text": DRIVER, "kind": "driver", "global_routing_priority": "first"}
    refused = desk.operator.put("/api/v1/scripts/everywhere", json=everywhere)
    assert kind_of(refused) == (422, "wrong-values")


def test_a_worker_is_given_a_message_by_hand(desk: PlatformDesk) -> None:
    text = "export const main = (message, { id, attempt }) => ({ message, id, attempt });\n"
    desk.script("worker", text, kind="worker")
    report = desk.acme.post("/api/v1/scripts/worker/run", json={"n": 1}).json()
    assert report["result"] == {"message": {"n": 1}, "id": report["id"], "attempt": 1}
    fetches = "export const main = () => fetch(process.env.PROVIDER + '/mine');\n"
    desk.script("reaching", fetches, kind="worker", environment={"PROVIDER": desk.url})
    report = desk.acme.post("/api/v1/scripts/reaching/run", json={}).json()
    assert "is not among the hosts that Workers may reach" in report["error"]
