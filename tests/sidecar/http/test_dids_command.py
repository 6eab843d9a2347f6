"""`scriptforge dids` at a real server."""

import json
from collections.abc import Callable, Iterator

import pytest

from sidecar.cli import main
from tests.sidecar.http.carrier import DRIVER, Carrier
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.http.test_numbers import OUTGOING, ROUTES

Dids = Callable[..., tuple[int, str]]


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
    assert dids("provider", "bigtel", "carrier", "--live")[0] == 3
    assert dids("provider", "bigtel", "carrier", "--live", "--force") == (0, "bigtel: asked by carrier, live\n")
    assert dids("search", "bigtel", "4420105")[1].splitlines() == ["NUMBER   MONTHLY", "4420105  2"]
    bought = dids("allocate", "bigtel", "4420105", "--customer", "acme", "--script", "routes")
    assert bought == (0, "4420105: of bigtel, for acme, runs routes\n")
    assert dids("allocate", "bigtel", "4420105", "--customer", "acme", "--script", "routes") == bought
    assert dids("allocate", "bigtel", "4420105", "--customer", "beta")[0] == 3
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
    assert "broken.js:1:39: error: allocate: Error: no answer" in text
    assert dids("list", "--state", "allocating")[1].splitlines()[1].startswith("4999")
    assert dids("settle", "4999")[0] == 4
    assert dids("settle", "4999", "--gone") == (0, "4999: not ours\n")
    assert dids("allocate", "weak", "4999")[0] == 4
    assert dids("settle", "4999", "--held") == (0, "4999: held\n")
