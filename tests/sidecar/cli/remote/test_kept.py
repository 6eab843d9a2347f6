"""Key-values, rows, tokens, usage and logs at a server from the command line."""

import json
import subprocess
import sys
from pathlib import Path

import httpx

from tests.acceptance.processes import Program, wait_until
from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import ROOT, PlatformDesk

SCRIPTFORGE = str(Path(sys.executable).with_name("scriptforge"))
WRITES = "export const main = ({ n }) => { console.warn('n is', n); if (n > 1) throw new Error('too much') };\n"


def test_keys_are_read_and_written_as_scripts_have_them(desk: PlatformDesk, terminal: Terminal) -> None:
    main = "export const main = async () => [await incr('count'), await kv.get('a/b c')];"
    text = f"import {{ incr, kv }} from 'cxKV';\n{main}\n"
    desk.script("kv", text)
    terminal.done("kv", "set", "a/b c", "-", typed="two\nlines\n")
    assert terminal.done("kv", "get", "a/b c") == "two\nlines\n\n"
    run = json.loads(terminal.done("scripts", "run", "kv", "--json"))
    assert run["result"] == [1, "two\nlines\n"]
    terminal.done("kv", "set", "short", "x", "--life", "3600")
    assert {one["key"] for one in json.loads(terminal.done("kv", "list", "--json"))} == {"a/b c", "short", "count"}
    assert "count" in terminal.done("kv", "list")
    assert terminal.done("kv", "usage").startswith("3 keys of ")
    assert terminal.done("kv", "remove", "count") == "count: removed\n"
    assert terminal("kv", "get", "count")[0] == 5


def test_rows_are_made_filled_read_and_removed(terminal: Terminal, tmp_path: Path) -> None:
    made = terminal.done("rows", "make", "porting", "--column", "carrier:string:indexed", "--column", "cost:double")
    assert made == "porting: key, value, carrier, cost\n"
    assert terminal.done("rows", "list") == "porting: key value:text carrier:string:indexed cost:double\n"
    assert terminal.done("rows", "put", "porting", "49/30", "carrier=one", "cost=0.5") == (
        "key: 49/30\nvalue: \ncarrier: one\ncost: 0.5\n"
    )
    assert terminal("rows", "put", "porting", "1", "cost=x")[2] == "scriptforge: cost: 'x' is no double\n"
    file = tmp_path / "rows.csv"
    file.write_text("key,carrier,cost\n49/30,two,1\n44,three,2\n")
    assert terminal.done("rows", "import", "porting", file) == "2 rows, of them 1 new\n"
    file.write_text("key,carrier,cost\n49,two,x\n")
    status, _, err = terminal("rows", "import", "porting", file)
    assert (status, err) == (1, f"{file}: line 2: cost is a number\n")
    assert json.loads(terminal.done("rows", "get", "porting", "44", "--json"))["carrier"] == "three"
    assert terminal.done("rows", "show", "porting").splitlines()[0].split() == ["KEY", "VALUE", "CARRIER", "COST"]
    exported = terminal.done("rows", "export", "porting")
    assert terminal.done("rows", "import", "porting", "-", typed=exported) == "2 rows, of them 0 new\n"
    assert terminal.done("rows", "delete", "porting", "44") == "44: removed\n"
    assert terminal("rows", "get", "porting", "44")[0] == 5
    assert terminal.done("rows", "remove", "porting") == "porting: removed\n"
    assert terminal("rows", "list", "--server", "default", "--database")[0] == 2


def test_a_token_is_made_listed_and_revoked(desk: PlatformDesk, terminal: Terminal) -> None:
    status, out, err = terminal("tokens", "create", "ci", "--scopes", "read", "--days", "1")
    assert status == 0
    assert err.endswith("of acme: read; it is not shown again\n")
    client = desk.client(out.strip())
    assert client.get("/api/v1/me").json()["scopes"] == ["read"]
    number = err.split()[1]
    listed = {str(one["id"]): one for one in json.loads(terminal.done("tokens", "list", "--json"))}
    assert listed[number]["name"] == "ci"
    assert out.strip() not in terminal.done("tokens", "list")
    assert terminal.done("tokens", "revoke", number) == f"token {number}: revoked\n"
    assert client.get("/api/v1/me").status_code == httpx.codes.UNAUTHORIZED
    client.close()
    assert terminal("tokens", "revoke", "99999")[0] == 5
    for days in ("0", "-1", "99999999", "9" * 5_000, "x"):
        status, _, err = terminal("tokens", "create", "ci", f"--days={days}")
        assert status == 2
        assert err.endswith("error: argument --days: is a number of days from 1 to 36500\n")


def test_a_token_may_only_what_it_may(desk: PlatformDesk, terminal: Terminal) -> None:
    terminal.done("login", desk.url, "--name", "reader", typed=desk.token("acme", "read"))
    status, _, err = terminal("apps", "make", "not-allowed", "--server", "reader")
    assert status == 6
    assert "write" in err


def test_usage_is_told_by_app(desk: PlatformDesk, terminal: Terminal) -> None:
    terminal.done("apps", "make", "used")
    desk.script("used", app="used")
    terminal.done("scripts", "run", "used")
    assert terminal.done("usage").splitlines()[0].split() == ["APP", "RUNS", "CPU", "S", "HOST", "CALLS", "BYTES"]
    assert isinstance(
        json.loads(terminal.done("usage", "--since", "2026-01-01T00:00Z", "--until", "2026-01-02T00:00Z", "--json")),
        list,
    )
    assert terminal("usage", "--since", "2020-01-01T00:00Z")[0] == 1
    assert terminal("usage", "--since", "yesterday")[0] == 2


def test_logs_are_shown_and_followed_as_they_come(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    desk.script("logged", WRITES)
    desk.script("silent-neighbour", WRITES)
    environment = {"SCRIPTFORGE_API": desk.url, "SCRIPTFORGE_TOKEN": desk.token("acme"), "PATH": "/usr/bin:/bin"}
    command = [SCRIPTFORGE, "logs", "-f", "--script", "logged.js"]
    follower = Program(command, tmp_path / "logs.log", ROOT, environment)
    try:
        follower.wait_for("following logged at", seconds=60)
        desk.acme.post("/api/v1/scripts/silent-neighbour/run", json={"n": 7}).raise_for_status()
        desk.acme.post("/api/v1/scripts/logged/run", json={"n": 2}).raise_for_status()
        assert " logged main warn n is 2" in follower.wait_for("warn", seconds=60)
        assert "failed Error: too much (logged.js:1:" in follower.wait_for("failed", seconds=60)
        assert not follower.lines("n is 7")
    finally:
        follower.stop()

    def kept() -> list[str]:
        return [
            json.loads(line)["level"] for line in terminal.done("logs", "--script", "logged", "--json").splitlines()
        ]

    # They are gathered before they are written.
    wait_until(lambda: kept() == ["warn", "failed"], "both lines are kept")
    assert len(terminal.done("logs", "-n", "1").splitlines()) == 1
    assert terminal("logs", "--calls", "--server", "default")[0] == 2


def test_of_calls_the_daemon_of_this_machine_is_asked(terminal: Terminal, tmp_path: Path) -> None:
    status, _, err = terminal("logs", "--socket", f"unix:{tmp_path}/none.sock")
    assert status == 1
    assert "is the daemon running, and may you use its socket?" in err


def test_a_reader_who_has_enough_ends_it_quietly(desk: PlatformDesk) -> None:
    environment = {"SCRIPTFORGE_API": desk.url, "SCRIPTFORGE_TOKEN": desk.token("acme"), "PATH": "/usr/bin:/bin"}
    command = f"{SCRIPTFORGE} scripts list | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
