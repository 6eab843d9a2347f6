"""npm modules that tenants are granted: who grants them, by the API and by the command."""

from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.cli import main
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.http.test_api_catalog import kind_of

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
    wanted = {"modules": {"moment": None, "axios": "1.21.1"}, "apps": {"shop": {"@s/a": "2.0.0"}}}
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
        {"modules": {"../a": None}},
        {"modules": {"a/b": None}},
        {"modules": {"a": ""}},
        {"modules": {"a": 1}},
        {"modules": {"a": "1" * 257}},
        {"apps": {"": {}}},
        {"apps": {"x": {"a b": None}}},
        {"other": {}},
        {"modules": {f"a{number}": None for number in range(1_001)}},
        {"modules": {f"a{number}": None for number in range(600)}, "apps": {"x": {f"a{n}": None for n in range(600)}}},
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
        ["moment", "newest"],
        ["shop", "axios", "1.7.0"],
    ]
    assert run("grants", "acme") == shown
    run("revoke", "acme", "axios")
    run("revoke", "acme/shop", "axios")
    assert granting.operator.get(PATH).json() == {"modules": {"moment": None}, "apps": {}}
    assert "'acme/shop' was not granted 'axios'" in run("revoke", "acme/shop", "axios", status=5)
    assert "'acme' was not granted 'axios'" in run("revoke", "acme", "axios", status=5)
    run("grants", "nobody", status=5)
