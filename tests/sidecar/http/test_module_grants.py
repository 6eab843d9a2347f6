"""npm modules that tenants are granted: who grants them, by the API and by the command."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.npm.writing import add_modules, remove_module
from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.http.test_api_catalog import kind_of
from tests.sidecar.npm.test_writing import built

PATH = "/api/v1/tenants/acme/modules"
NOTHING: dict[str, Any] = {"modules": {}, "apps": {}}


@pytest.fixture
def granting(desk: PlatformDesk) -> Iterator[PlatformDesk]:
    """The platform, on which acme is granted nothing afterwards."""
    yield desk
    assert desk.operator.put(PATH, json={}, headers={"If-Match": "*"}).is_success


def test_the_operator_grants_modules_to_a_tenant_and_to_single_apps(granting: PlatformDesk) -> None:
    desk = granting
    before = desk.operator.get(PATH)
    assert before.json() == NOTHING
    wanted = {"modules": {"moment": "*", "axios": "1.21.1"}, "apps": {"shop": {"@s/a": "2.0.0"}}}
    made = desk.operator.put(PATH, json=wanted, headers={"If-Match": before.headers["ETag"]})
    assert made.json() == wanted == desk.operator.get(PATH).json()
    assert made.headers["ETag"] != before.headers["ETag"]
    assert kind_of(desk.operator.put(PATH, json={}, headers={"If-Match": before.headers["ETag"]}))[0] == 412
    assert kind_of(desk.acme.put(PATH, json=wanted)) == (403, "not-allowed")
    assert desk.acme.get(PATH).status_code == 403
    last = desk.operator.get("/api/v1/audit", params={"tenant": "acme", "limit": 1}).json()["items"][0]
    assert (last["action"], last["before"], last["after"]) == ("tenant.modules", {}, wanted)
    assert kind_of(desk.operator.put("/api/v1/tenants/nobody/modules", json={})) == (404, "not-there")


@pytest.mark.parametrize(
    "body",
    [
        {"modules": {"../a": "*"}},
        {"modules": {"a/b": "*"}},
        {"modules": {"a": ""}},
        {"modules": {"a": 1}},
        {"modules": {"a": None}},
        {"modules": {"a": "1" * 257}},
        {"apps": {"": {}}},
        {"apps": {"x": {"a b": "*"}}},
        {"other": {}},
        {"modules": {f"a{number}": "*" for number in range(1_001)}},
        {"modules": {f"a{number}": "*" for number in range(600)}, "apps": {"x": {f"a{n}": "*" for n in range(600)}}},
    ],
)
def test_what_is_no_grant_is_refused(granting: PlatformDesk, body: dict[str, Any]) -> None:
    assert kind_of(granting.operator.put(PATH, json=body, headers={"If-Match": "*"}))[0] == 422
    assert granting.operator.get(PATH).json() == NOTHING


def test_the_command_grants_and_revokes(
    granting: PlatformDesk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCRIPTFORGE_API", str(granting.operator.base_url))
    monkeypatch.setenv("SCRIPTFORGE_TOKEN", granting.operator.headers["Authorization"].removeprefix("Bearer "))

    def run(*words: str, status: int = 0) -> str:
        assert main(["modules", *words]) == status
        printed = capsys.readouterr()
        return printed.out + printed.err

    run("grant", "acme", "moment")
    run("grant", "acme", "axios@1.21.1")
    shown = run("grant", "acme/shop", "axios@1.7.0")
    assert [line.split() for line in shown.splitlines()] == [
        ["app", "module", "version"],
        ["axios", "1.21.1"],
        ["moment", "*"],
        ["shop", "axios", "1.7.0"],
    ]
    assert run("grants", "acme") == shown
    run("revoke", "acme", "axios")
    run("revoke", "acme/shop", "axios")
    assert granting.operator.get(PATH).json() == {"modules": {"moment": "*"}, "apps": {}}
    assert "'acme/shop' was not granted 'axios'" in run("revoke", "acme/shop", "axios", status=5)
    assert "'acme' was not granted 'axios'" in run("revoke", "acme", "axios", status=5)
    run("grants", "nobody", status=5)


USES = "const hello = require('hello');\nexports.main = () => hello;\n"


def test_what_is_not_granted_is_refused_at_the_save_and_what_is_has_its_version(tmp_path: Path) -> None:
    directory = tmp_path / "modules"
    versions = [built("hello", version, f"module.exports = 'hello {version}'") for version in ("1.0.0", "2.0.0")]
    add_modules(directory, [*versions, built("other")], print)
    desk = PlatformDesk(tmp_path, more=f'[modules]\ndirectory = "{directory}"\ngranted = ["other"]\n')

    def grant(**grants: Any) -> None:
        desk.operator.put(PATH, json=grants, headers={"If-Match": "*"}).raise_for_status()

    def answers(uuid: str) -> str:
        return desk.anybody.get(f"/run/{uuid}").text

    refused = desk.acme.put("/api/v1/scripts/a", json={"name": "a.js", "text": USES})
    assert kind_of(refused) == (422, "script-refused")
    (problem,) = refused.json()["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("a.js", 1, 23)
    assert "there is no module 'hello'" in problem["message"]
    assert "available: api, cxC5Server" in problem["message"]
    assert problem["message"].endswith(", other")
    grant(modules={"hello": "1.0.0"})
    uuid = desk.script("a", USES, public=True)["uuid"]
    assert answers(uuid) == "hello 1.0.0"
    assert kind_of(desk.beta.put("/api/v1/scripts/b", json={"name": "b.js", "text": USES})) == (422, "script-refused")
    desk.acme.put("/api/v1/apps/shop", json={"name": "shop"}).raise_for_status()
    of_shop = desk.script("c", USES, app="shop", public=True)["uuid"]
    grant(modules={"hello": "1.0.0"}, apps={"shop": {"hello": "*"}})
    wait_until(lambda: answers(of_shop) == "hello 2.0.0", "the newest for the app")
    assert answers(uuid) == "hello 1.0.0"
    add_modules(directory, [built("hello", "3.0.0", "module.exports = 'hello 3.0.0'"), built("more")], print)
    wait_until(lambda: answers(of_shop) == "hello 3.0.0", "what is installed meanwhile")
    assert answers(uuid) == "hello 1.0.0"
    grant(modules={"hello": "1.0.0", "more": "*"}, apps={"shop": {"hello": "*"}})
    more = desk.script("m", USES.replace("hello", "more"), public=True)["uuid"]
    assert answers(more) == '{"a":1}'
    remove_module(directory, "more", None, print)
    wait_until(lambda: "there is no such module" in answers(more), "what is removed meanwhile")
    remade = desk.acme.put("/api/v1/scripts/n", json={"name": "n.js", "text": USES.replace("hello", "more")})
    assert "there is no module 'more'" in remade.text
    grant()
    wait_until(lambda: "hello 1.0.0" not in answers(uuid), "what was taken back is not there")
    assert "require('hello'): there is no such module" in answers(uuid)
    assert desk.stop() == 0
    assert desk.program.lines("Traceback") == []
