"""Tenants from the command line."""

import json
from pathlib import Path

import pytest

from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk


@pytest.fixture
def operator(desk: PlatformDesk, terminal: Terminal) -> Terminal:
    """The terminal of somebody of the operator's."""
    assert terminal("login", desk.url, "--name", "operator", typed=f"{desk.operator_token}\n")[0] == 0
    return terminal


def test_a_tenant_is_made_once_shown_and_listed(operator: Terminal) -> None:
    assert operator.done("tenants", "make", "north") == "north: made\n"
    assert operator.done("tenants", "make", "north") == "north: is there already\n"
    assert operator.done("tenants", "show", "north").startswith("north: made 20")
    shown = json.loads(operator.done("tenants", "show", "north", "--json"))
    assert shown in json.loads(operator.done("tenants", "list", "--json"))
    assert operator.done("tenants", "list").splitlines()[0].split() == ["NAME", "MADE"]
    assert operator("tenants", "show", "nowhere")[0] == 5
    for command in ("make", "show"):
        status, _, told = operator("tenants", command, "")
        assert (status, told) == (2, "scriptforge: a name is empty\n")


def test_a_tenant_that_was_made_has_limits_and_tokens(operator: Terminal) -> None:
    assert operator("limits", "south")[0] == 5
    operator.done("tenants", "make", "south")
    assert "runs_at_once         20\n" in operator.done("limits", "south", "runs_at_once=20")
    assert operator.done("tokens", "create", "ci", "--tenant", "south").startswith("sf_")


def test_a_tenant_that_the_environment_names_hinders_no_other_from_being_made(
    operator: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTFORGE_TENANT", "not-there-yet")
    assert operator.done("tenants", "make", "not-there-yet") == "not-there-yet: made\n"


def test_tenants_are_the_operators_alone(terminal: Terminal) -> None:
    for words in (("list",), ("make", "mine"), ("show", "acme")):
        assert terminal("tenants", *words)[0] == 6


def test_a_tenant_is_made_in_the_database_itself(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    made = ("tenants", "make", "east", "--url", f"sqlite:///{desk.database}")
    assert terminal.done(*made) == "east: made\n"
    assert json.loads(terminal.done(*made, "--json")) == {"name": "east", "made": False}
    assert terminal("tenants", "make", "x" * 300, "--url", f"sqlite:///{desk.database}")[0] == 1
    assert terminal("tenants", "make", "west", "--url", f"sqlite:///{tmp_path / 'none.db'}")[0] == 1
