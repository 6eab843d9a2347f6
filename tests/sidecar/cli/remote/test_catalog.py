"""Apps, assignments and variables are changed at a server from the command line."""

import json
from pathlib import Path

from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk

ROUTES = "export function main(data) { return data }\n"


def test_apps_are_made_named_and_removed(terminal: Terminal) -> None:
    assert terminal.done("apps", "make", "catalog-app", "--name", "Shop") == "catalog-app: Shop\n"
    assert terminal.done("apps", "make", "catalog-app", "--name", "Shop") == "catalog-app: Shop\n"
    status, _, err = terminal("apps", "make", "catalog-app")
    assert status == 3
    assert "it is there already" in err
    assert terminal.done("apps", "make", "catalog-app", "--name", "Store") == "catalog-app: Store\n"
    found = json.loads(terminal.done("apps", "list", "--json"))
    assert {"id": "catalog-app", "name": "Store"} in found
    assert terminal.done("apps", "remove", "catalog-app") == "catalog-app: removed\n"
    assert terminal("apps", "remove", "catalog-app")[0] == 5


def test_a_script_is_assigned_and_another_is_not_put_in_its_place_by_mistake(
    desk: PlatformDesk, terminal: Terminal, tmp_path: Path
) -> None:
    desk.script("assign-one", ROUTES)
    desk.script("assign-two", ROUTES)
    assert terminal("assign", "set", "assign-one")[0] == 2
    assert terminal("assign", "set", "assign-one", "--did", "1", "--route", "x")[0] == 2
    (tmp_path / "vars.toml").write_text('tariff = "gold"\n')
    out = terminal.done("assign", "set", "assign-one.js", "--customer", "acme", "--vars", tmp_path / "vars.toml")
    number = out.partition(":")[0]
    assert out == f"{number}: customer acme: assign-one.js (assign-one)\n"
    terminal.done("assign", "set", "assign-one", "--customer", "acme", "--vars", tmp_path / "vars.toml")
    status, _, err = terminal("assign", "set", "assign-two", "--customer", "acme")
    assert status == 3
    assert err == (
        f"scriptforge: customer acme: there is script 'assign-one' (assignment {number}); --force takes its place\n"
    )
    terminal.done("assign", "set", "assign-two", "--customer", "acme", "--force")
    terminal.done("assign", "set", "assign-one", "--customer", "acme", "--route", "north", "--force")
    (listed,) = json.loads(terminal.done("assign", "list", "--script", "assign-one", "--json"))
    assert (listed["customer"], listed["route"]) == ("acme", "north")
    assert "customer acme, route north" in terminal.done("assign", "list", "--type", "route")
    assert terminal.done("assign", "remove", listed["id"]) == "customer acme, route north: no script any more\n"
    assert terminal("assign", "remove", listed["id"])[0] == 5
    # Somebody else's number is not theirs to assign.
    assert terminal("assign", "set", "assign-one", "--did", "4930")[0] == 6


def test_variables_are_set_with_their_flags_which_stay(terminal: Terminal) -> None:
    terminal.done("apps", "make", "env")
    assert terminal.done("env", "set", "env", "A=1", "B=x=y") == "A=1\nB=x=y\n"
    assert terminal.done("env", "set", "env", "KEY", "--protected", typed="s3cret\n") == "KEY=****\n"
    terminal.done("env", "set", "env", "KEY", typed="other\n")
    found = {one["name"]: one for one in json.loads(terminal.done("env", "list", "env", "--json"))}
    assert found["KEY"]["protected"] is True
    assert found["KEY"]["value"] == "****"
    assert found["B"]["value"] == "x=y"
    assert "KEY   ****   protected" in terminal.done("env", "list", "env")
    assert terminal("env", "set", "env", "NONE")[0] == 1  # there is no line to read
    assert terminal("env", "set", "env", "1A=2")[0] == 1
    assert terminal.done("env", "remove", "env", "A", "B", "KEY") == "A: removed\nB: removed\nKEY: removed\n"
    assert terminal("env", "list", "nowhere")[0] == 5


def test_what_is_assigned_is_told_before_it_is_asked_for(desk: PlatformDesk, terminal: Terminal) -> None:
    desk.script("told-one", ROUTES)
    status, _, err = terminal("assign", "set", "told-one", "--destination", "1", "--timeout-ms", "20")
    assert status == 2
    assert "--timeout-ms goes with --customer or --did" in err


def test_a_script_is_called_by_its_name(desk: PlatformDesk, terminal: Terminal) -> None:
    made = desk.acme.post("/api/v1/scripts", json={"name": "named.js", "text": ROUTES}).json()
    called = f"'named.js' ({made['id']})"
    assert f"there is no version 3 of script {called}" in terminal("scripts", "rollback", "named.js", "3")[2]
    terminal.done("assign", "set", "named.js", "--customer", "acme", "--route", "named")
    assert f"script {called} is assigned: route 'acme'" in terminal("scripts", "remove", "named.js")[2]


def test_scripts_of_an_app_that_there_is_not(terminal: Terminal) -> None:
    status, out, err = terminal("scripts", "list", "--app", "nope")
    assert (status, out) == (5, "")
    assert "there is no app 'nope'" in err
