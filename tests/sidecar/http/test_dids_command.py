"""`scriptforge dids` at a real server."""

import json
import sqlite3
from collections.abc import Callable, Iterator

import httpx
import pytest

from sidecar.cli import main
from tests.sidecar.http.carrier import DRIVER, Carrier
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.http.test_api_catalog import kind_of
from tests.sidecar.http.test_numbers import OUTGOING, ROUTES

Dids = Callable[..., tuple[int, str]]

THERE = "scriptforge: it is there already and is something else; --force puts this in its place\n"


@pytest.fixture(scope="module")
def carrier() -> Iterator[Carrier]:
    carrier = Carrier()
    yield carrier
    carrier.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, carrier: Carrier) -> Iterator[PlatformDesk]:
    desk = PlatformDesk(tmp_path_factory.mktemp("platform"), more=OUTGOING)
    for client in (desk.operator, desk.acme):
        made = client is desk.operator
        desk.script(
            "carrier" if made else "own", DRIVER, kind="driver", environment={"PROVIDER": carrier.url}, client=client
        )
    desk.script("routes", ROUTES, client=desk.operator)
    yield desk
    desk.stop()


@pytest.fixture
def dids(desk: PlatformDesk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dids:
    monkeypatch.setenv("SCRIPTFORGE_API", desk.url)
    monkeypatch.setenv("SCRIPTFORGE_TOKEN", desk.operator_token)

    def run(*words: str) -> tuple[int, str]:
        status = main(["dids", *words])
        out, err = capsys.readouterr()
        return status, out + err

    return run


def test_numbers_are_bought_shown_and_given_back(dids: Dids, carrier: Carrier) -> None:
    assert dids("provider", "bigtel", "carrier", "--company", "Big") == (0, "bigtel: asked by carrier, test\n")
    status, text = dids("allocate", "bigtel", "4420101")
    assert (status, text) == (
        0,
        "4420101: of bigtel, for nobody yet (its provider is in mode test: nothing was kept)\n",
    )
    carrier.mine.clear()
    assert dids("provider", "bigtel", "carrier", "--live") == (3, THERE)
    assert dids("provider", "bigtel", "carrier", "--live", "--force") == (0, "bigtel: asked by carrier, live\n")
    assert dids("search", "bigtel", "4420105")[1].splitlines() == ["NUMBER   MONTHLY", "4420105  2"]
    bought = dids("allocate", "bigtel", "4420105", "--customer", "acme", "--script", "routes")
    assert bought == (0, "4420105: of bigtel, for acme, runs routes\n")
    assert dids("allocate", "bigtel", "4420105", "--customer", "acme", "--script", "routes") == bought
    assert dids("allocate", "bigtel", "4420105", "--customer", "beta") == (3, THERE)
    assert dids("allocate", "bigtel", "4420105", "--customer", "beta", "--force")[0] == 0
    lines = dids("list", "--number", "20105")[1].splitlines()
    assert lines[0].split()[:5] == ["NUMBER", "PROVIDER", "CUSTOMER", "SCRIPT", "STATE"]
    assert lines[1].split()[:5] == ["4420105", "bigtel", "beta", "routes", "held"]
    carrier.mine.add("4420107")
    assert dids("compare", "bigtel") == (
        3,
        "2 numbers at the carrier\n4420107: at the carrier, and not known here\n",
    )
    assert dids("allocate", "bigtel", "4420107", "--adopt")[0] == 0
    assert dids("compare", "bigtel") == (0, "2 numbers at the carrier\n")
    assert dids("release", "4420105")[0] == 1
    assert dids("release", "4420105", "--unassign") == (0, "4420105: given back\n")
    assert dids("release", "4420107")[0] == 0
    assert json.loads(dids("list", "--json")[1]) == []
    assert dids("release", "4420107")[0] == 5


def test_a_driver_that_fails_is_shown_with_its_place(dids: Dids, carrier: Carrier) -> None:
    carrier.answers_html = True
    try:
        status, text = dids("compare", "bigtel")
    finally:
        carrier.answers_html = False
    assert status == 4
    assert text.startswith("carrier.js:9:")
    assert "list: SyntaxError: " in text


def test_a_number_that_is_not_settled_is_settled(dids: Dids, desk: PlatformDesk, carrier: Carrier) -> None:
    broken = "export const allocate = () => { throw new Error('no answer'); };\n"
    desk.script("broken", broken, kind="driver", client=desk.operator)
    assert dids("provider", "weak", "broken", "--live")[0] == 0
    status, text = dids("allocate", "weak", "4999")
    assert status == 4
    assert "broken.js:1:43: error: allocate: Error: no answer" in text
    settle = "`scriptforge dids settle 4999` finds out what the carrier has done"
    assert text.endswith(f"\nscriptforge: 4999 is allocating: {settle}\n")
    assert dids("list", "--state", "allocating")[1].splitlines()[1].startswith("4999")
    assert dids("settle", "4999")[0] == 1
    assert dids("settle", "4999", "--gone") == (0, "4999: not ours\n")
    assert dids("allocate", "weak", "4999")[0] == 4
    assert dids("settle", "4999", "--held") == (0, "4999: held\n")


def buy(desk: PlatformDesk, did: str, **more: object) -> httpx.Response:
    return desk.operator.put(f"/api/v1/dids/{did}", json={"provider": "bigtel", **more})


def test_a_script_that_goes_while_its_number_is_bought_leaves_the_number_held(
    desk: PlatformDesk, carrier: Carrier
) -> None:
    desk.script("going", ROUTES, client=desk.operator)

    def remove() -> None:
        desk.operator.delete("/api/v1/scripts/going", headers={"If-Match": "*"}).raise_for_status()

    carrier.after_sale = remove
    try:
        answer = buy(desk, "4420120", assignment={"script": "going"})
    finally:
        carrier.after_sale = lambda: None
    assert kind_of(answer) == (409, "not-assigned")
    found = desk.operator.get("/api/v1/dids/4420120").json()
    assert (found["state"], found["script"]) == ("held", None)


def test_a_database_that_cannot_be_told_of_a_sale_has_it_to_be_settled(desk: PlatformDesk, carrier: Carrier) -> None:
    other = sqlite3.connect(desk.database, check_same_thread=False, isolation_level=None)
    carrier.after_sale = lambda: other.execute("BEGIN IMMEDIATE")
    try:
        answer = buy(desk, "4420121")
    finally:
        carrier.after_sale = lambda: None
        other.close()
    assert kind_of(answer) == (503, "not-written")
    assert "retry-after" not in answer.headers
    line = json.loads(desk.program.wait_for('"action":"number_not_written"'))
    assert (line["did"], line["provider"], line["tenant"], line["what"]) == (
        "4420121", "bigtel", "operator", "bought"
    )  # fmt: skip
    assert desk.operator.get("/api/v1/dids/4420121").json()["state"] == "allocating"
    early = desk.operator.post("/api/v1/dids/4420121/settle", json={})
    assert kind_of(early) == (409, "unsettled")
    desk.sql("UPDATE numbers SET changed = 0 WHERE subject = '4420121'")
    assert desk.operator.post("/api/v1/dids/4420121/settle", json={}).json()["held"] is True
    assert carrier.bought.count("4420121") == 1


def test_a_platform_that_is_killed_in_a_sale_has_it_to_be_settled(desk: PlatformDesk, carrier: Carrier) -> None:
    carrier.after_sale = desk.program.process.kill
    try:
        with pytest.raises(httpx.HTTPError):
            buy(desk, "4420122")
    finally:
        carrier.after_sale = lambda: None
    desk.program.process.wait()
    desk.start()
    with desk.client(desk.operator_token) as operator:
        assert operator.get("/api/v1/dids/4420122").json()["state"] == "allocating"
        assert kind_of(operator.put("/api/v1/dids/4420122", json={"provider": "bigtel"})) == (409, "unsettled")
        desk.sql("UPDATE numbers SET changed = 0 WHERE subject = '4420122'")
        assert operator.post("/api/v1/dids/4420122/settle", json={}).json()["held"] is True
    assert carrier.bought.count("4420122") == 1
