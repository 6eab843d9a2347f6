"""A folder of an app is pushed and pulled; two who work on the same do not overwrite each other."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.remote.checkout import path_for
from sidecar.cli.remote.errors import Conflict
from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk

HELLO = "export const main = ({ who }) => `Hello ${who}`;\n"
BROKEN = "const a = 1;\nexport function main() { let = ; }\n"
COUNT = "export const main = ({ n }) => { console.log(n); return n + 1 };\n"
IMPORTED = "import rates from './rates.json';\nexport const tax = (n: number): number => n * rates.vat;\n"
TAX = "export const main = ({ n }: { n: number }): number => n * 0.2;\n"


def folder_of(tmp_path: Path, name: str, **files: str) -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    for file, text in files.items():
        (folder / file.replace("__", ".")).write_text(text)
    return folder


def signs(out: str) -> dict[str, str]:
    return {one["file"]: one["sign"] for one in json.loads(out)["files"]}


def text_at(desk: PlatformDesk, app: str, name: str) -> str:
    scripts: list[Any] = desk.acme.get("/api/v1/scripts", params={"app": app}).json()["items"]
    (one,) = [script for script in scripts if script["name"] == name]
    text: str = desk.acme.get(f"/api/v1/scripts/{one['id']}/text").json()["text"]
    return text


def test_what_was_changed_is_pushed_and_nothing_else(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a", hello__js=HELLO, tax__ts=TAX)
    folder_of(folder, ".hidden", x__js=HELLO)
    folder_of(folder, "node_modules", x__js=HELLO)
    for left_out in ("hello.test.js", "scriptforge.d.ts", "jsconfig.json", ".x.js", "README.md"):
        (folder / left_out).write_text("not JavaScript")
    assert terminal("scripts", "push", folder)[0] == 5  # of which app?
    status, _, err = terminal("scripts", "push", folder, "--app", "a")
    assert (status, err) == (5, "scriptforge: there is no app 'a': `scriptforge apps make a` makes it\n")
    terminal.done("apps", "make", "a")
    out = terminal.done("scripts", "push", folder, "--app", "a", "--note", "the first", "--public")
    assert out == f"+ hello.js  version 1\n+ tax.ts    version 1\napp a of acme at {desk.url}: 2 changed\n"
    (folder / "tax.ts").write_text(TAX.replace("0.2", "0.3"))
    assert signs(terminal.done("scripts", "push", folder, "--json")) == {"hello.js": "", "tax.ts": "~"}
    assert "2 changed" not in terminal.done("scripts", "push", folder)
    assert "n * 0.3" in text_at(desk, "a", "tax.ts")
    versions = json.loads(terminal.done("scripts", "versions", "tax.ts", "--json"))
    assert [one["number"] for one in versions] == [2, 1]
    assert [one["note"] for one in versions] == ["", "the first"]
    (listed, _) = json.loads(terminal.done("scripts", "list", "--app", "a", "--json"))
    assert listed["public"] is True


def test_a_text_that_cannot_run_is_told_with_the_authors_line_and_nothing_is_saved(
    desk: PlatformDesk, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "refused")
    folder = folder_of(tmp_path, "refused", fine__js=HELLO, broken__js=BROKEN)
    status, out, err = terminal("scripts", "push", folder, "--app", "refused")
    assert (status, out) == (4, "")
    assert err.startswith("broken.js:2:30: error: ")
    assert "    export function main() { let = ; }\n    " in err
    assert err.endswith("scriptforge: nothing was saved; what runs goes on\n")
    assert desk.acme.get("/api/v1/scripts", params={"app": "refused"}).json()["items"] == []
    status, out, _ = terminal("scripts", "push", folder, "--app", "refused", "--json")
    assert status == 4
    assert json.loads(out)["problems"][0]["line"] == 2


def test_two_who_edit_the_same_do_not_overwrite_each_other(
    desk: PlatformDesk, terminal: Terminal, other: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "two")
    mine = folder_of(tmp_path, "mine", hello__js=HELLO, tax__ts=TAX)
    terminal.done("scripts", "push", mine, "--app", "two")
    theirs = tmp_path / "theirs"
    assert signs(other.done("scripts", "pull", theirs, "--app", "two", "--json")) == {"hello.js": "+", "tax.ts": "+"}
    (theirs / "hello.js").write_text(HELLO.replace("Hello", "Hallo"))
    (theirs / "tax.ts").write_text(TAX.replace("0.2", "0.5"))
    other.done("scripts", "push", theirs, "--note", "in German")
    (mine / "hello.js").write_text(HELLO.replace("Hello", "Salut"))

    status, out, err = terminal("scripts", "push", mine)
    assert (status, out) == (3, "")
    told = "hello.js: version 1 was pulled; meanwhile it was saved by "
    assert err.startswith(f"scriptforge: nothing was saved:\n  {told}")
    assert "as version 2 (in German)" in err
    assert "tax.ts" not in err  # it was not changed here
    assert "Hallo" in text_at(desk, "two", "hello.js")

    status, out, _ = terminal("scripts", "diff", mine)
    assert status == 3
    assert "--- server/hello.js@2\n+++ hello.js\n" in out
    before, after = (HELLO.replace("Hello", word) for word in ("Hallo", "Salut"))
    assert f"-{before}+{after}" in out

    status, out, _ = terminal("scripts", "pull", mine, "--json")
    assert status == 3
    assert signs(out) == {"hello.js": "!", "tax.ts": "~"}
    assert "Salut" in (mine / "hello.js").read_text()
    assert "0.5" in (mine / "tax.ts").read_text()

    assert signs(terminal.done("scripts", "push", mine, "--force", "--json")) == {"hello.js": "~", "tax.ts": ""}
    assert "Salut" in text_at(desk, "two", "hello.js")
    assert signs(other.done("scripts", "pull", theirs, "--json")) == {"hello.js": "~", "tax.ts": ""}
    assert other.done("scripts", "diff", theirs) == ""


def test_what_is_at_the_server_and_was_never_pulled_is_not_overwritten(
    desk: PlatformDesk, terminal: Terminal, other: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "unseen")
    terminal.done("scripts", "push", folder_of(tmp_path, "one", hello__js=HELLO), "--app", "unseen")
    folder = folder_of(tmp_path, "two", hello__js=HELLO.replace("Hello", "Hallo"))
    status, _, err = other("scripts", "push", folder, "--app", "unseen")
    assert status == 3
    assert "hello.js: is at the server, saved by " in err
    assert "and was not pulled" in err
    # The same text is no conflict.
    (folder / "hello.js").write_text(HELLO)
    assert "0 changed" in other.done("scripts", "push", folder, "--app", "unseen")


def test_settings_that_others_change_stay_and_are_no_conflict(
    desk: PlatformDesk, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "settings")
    folder = folder_of(tmp_path, "settings", hello__js=HELLO)
    terminal.done("scripts", "push", folder, "--app", "settings")
    (one,) = desk.acme.get("/api/v1/scripts", params={"app": "settings"}).json()["items"]
    body = {"name": "hello.js", "text": HELLO, "app": "settings", "public": True, "environment": {"A": "1"}}
    desk.acme.put(f"/api/v1/scripts/{one['id']}", json=body, headers={"If-Match": "*"}).raise_for_status()
    (folder / "hello.js").write_text(HELLO.replace("Hello", "Hallo"))
    terminal.done("scripts", "push", folder)
    found = desk.acme.get(f"/api/v1/scripts/{one['id']}").json()
    assert (found["public"], found["environment"], found["version"]) == (True, {"A": "1"}, 2)


def test_what_is_here_no_more_is_taken_out_only_when_told_to(
    desk: PlatformDesk, terminal: Terminal, other: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "gone")
    folder = folder_of(tmp_path, "gone", hello__js=HELLO, tax__ts=TAX)
    terminal.done("scripts", "push", folder, "--app", "gone")
    theirs = tmp_path / "gone-theirs"
    other.done("scripts", "pull", theirs, "--app", "gone")
    (folder / "tax.ts").unlink()
    assert "tax.ts    is here no more, and stays at the server" in terminal.done("scripts", "push", folder)
    (theirs / "tax.ts").write_text(TAX.replace("0.2", "0.4"))
    other.done("scripts", "push", theirs)
    status, _, err = terminal("scripts", "push", folder, "--delete")
    assert status == 3
    assert "tax.ts is not taken out: version 1 was pulled; meanwhile it was saved by " in err
    assert "- tax.ts    is taken out" in terminal.done("scripts", "push", folder, "--delete", "--force")
    assert signs(other("scripts", "pull", theirs, "--json")[1]) == {"hello.js": "", "tax.ts": "-"}
    assert (theirs / "tax.ts").exists()


def test_files_that_import_each_other_are_pushed_together(
    desk: PlatformDesk, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "siblings")
    folder = folder_of(tmp_path, "siblings", rates__json='{"vat": 2}\n', tax__ts=IMPORTED)
    (folder / "entry.js").write_text("import { tax } from './tax';\nexport const main = ({ n }) => tax(n);\n")
    terminal.done("scripts", "push", folder, "--app", "siblings")
    data = tmp_path / "n.json"
    data.write_text('{"n": 3}')
    assert terminal.done("scripts", "run", "entry.js", "--data", data).startswith("returned 6\n")

    (folder / "tax.ts").write_text(IMPORTED.replace("tax", "duty"))
    status, _, err = terminal("scripts", "push", folder)
    assert status == 4
    assert err.startswith("entry.js:1:10: error: ")
    (folder / "entry.js").write_text("import { duty } from './tax';\nexport const main = ({ n }) => duty(n);\n")
    (folder / "rates.json").write_text('{"vat": 4}\n')
    terminal.done("scripts", "push", folder)
    assert terminal.done("scripts", "run", "entry.js", "--data", data).startswith("returned 12\n")

    pulled = tmp_path / "siblings-pulled"
    terminal.done("scripts", "pull", pulled, "--app", "siblings")
    for file in ("entry.js", "rates.json", "tax.ts"):
        assert (pulled / file).read_bytes() == (folder / file).read_bytes()

    (folder / "tax.ts").unlink()
    status, _, err = terminal("scripts", "push", folder, "--delete")
    assert status == 1
    assert "entry.js" in err


def test_files_that_import_each_other_are_taken_out_together(
    desk: PlatformDesk, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "leaving")
    a = "export const a = (n) => n;\n"
    folder = folder_of(tmp_path, "leaving", a__js=a, c__js=a, hello__js=HELLO)
    (folder / "b.js").write_text("import { a } from './a';\nexport const main = ({ n }) => a(n);\n")
    (folder / "d.js").write_text("import { a } from './c';\nexport const main = ({ n }) => a(n);\n")
    terminal.done("scripts", "push", folder, "--app", "leaving")
    for gone in ("a.js", "b.js", "c.js"):
        (folder / gone).unlink()
    (folder / "hello.js").write_text(HELLO.replace("Hello", "Good day"))
    status, out, err = terminal("scripts", "push", folder, "--delete")
    assert status == 1
    assert "~ hello.js  version 2\n- b.js      is taken out\n- a.js      is taken out\n" in out, "what was done is told"
    assert err.startswith("scriptforge: c.js is not taken out: script '")
    assert err.endswith(" is imported: by d.js\n")
    (folder / "d.js").unlink()
    assert signs(terminal.done("scripts", "push", folder, "--delete", "--json")) == {
        "hello.js": "", "c.js": "-", "d.js": "-",
    }  # fmt: skip


@pytest.mark.parametrize("name", [b"caf\xe9.js", b"two\nlines.js", b"back\\slash.js", b"\x1b[31mred.js"])
def test_a_file_whose_name_no_script_can_have_is_told(
    desk: PlatformDesk, terminal: Terminal, tmp_path: Path, name: bytes
) -> None:
    terminal.done("apps", "make", "names")
    folder = folder_of(tmp_path, "names", hello__js=HELLO)
    (folder / os.fsdecode(name)).write_text(HELLO)
    status, _, err = terminal("scripts", "push", folder, "--app", "names")
    assert status == 1
    assert err.removesuffix("\n").isprintable()
    assert err.endswith(": no script may be called so: give the file another name\n")
    assert terminal.done("scripts", "list", "--app", "names", "--json") == "[]\n"


def test_a_zero_byte_is_told_with_its_place(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    terminal.done("apps", "make", "zero")
    folder = folder_of(tmp_path, "zero", hello__js=HELLO + "// \0\n")
    status, _, err = terminal("scripts", "push", folder, "--app", "zero")
    assert status == 1
    assert err == f"scriptforge: {folder}/hello.js:2:4: error: has a zero byte, which no text has\n"


def test_a_file_in_place_of_a_folder_is_told(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    file = folder_of(tmp_path, "one", hello__js=HELLO) / "hello.js"
    status, _, err = terminal("scripts", "push", file, "--app", "one")
    assert status == 1
    assert err == f"scriptforge: {file}: is a file: `--only hello.js` after its folder takes that file alone\n"


def test_one_file_is_pushed_alone(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    terminal.done("apps", "make", "only")
    folder = folder_of(tmp_path, "only", hello__js=HELLO, broken__js="let = ;")
    terminal.done("scripts", "push", folder, "--app", "only", "--only", "hello.js")
    assert terminal("scripts", "push", folder, "--only", "none.js")[0] == 1
    assert "Hello" in text_at(desk, "only", "hello.js")


@pytest.mark.parametrize(
    "name", ["../out.js", "/etc/out.js", "a/../../b.js", ".hidden.js", "a\\b.js", "a\nb.js", "a//b.js", "x.d.ts"]
)
def test_no_script_is_written_outside_of_the_folder_or_as_something_else(name: str) -> None:
    with pytest.raises(Conflict):
        path_for(name)


def test_a_name_that_no_file_can_have_is_told_and_left_out(
    desk: PlatformDesk, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.done("apps", "make", "tricks")
    body = {"name": "../../out.js", "text": HELLO, "app": "tricks"}
    desk.acme.post("/api/v1/scripts", json=body).raise_for_status()
    folder = tmp_path / "deep" / "tricks"
    status, out, _ = terminal("scripts", "pull", folder, "--app", "tricks", "--json")
    assert status == 3
    assert signs(out) == {"../../out.js": "!"}
    assert not (tmp_path / "out.js").exists()


def test_a_link_that_leads_out_is_not_written_through(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    terminal.done("apps", "make", "links")
    terminal.done("scripts", "push", folder_of(tmp_path, "links", hello__js=HELLO), "--app", "links")
    outside = tmp_path / "outside.js"
    outside.write_text("mine")
    folder = tmp_path / "links-2"
    folder.mkdir()
    (folder / "hello.js").symlink_to(outside)
    assert terminal("scripts", "pull", folder, "--app", "links", "--force")[0] != 0
    assert outside.read_text() == "mine"


def test_versions_are_compared_and_rolled_back(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    terminal.done("apps", "make", "versions")
    folder = folder_of(tmp_path, "versions", rolled__js=HELLO)
    terminal.done("scripts", "push", folder, "--app", "versions")
    (folder / "rolled.js").write_text(HELLO.replace("Hello", "Hallo"))
    terminal.done("scripts", "push", folder)
    status, out, _ = terminal("scripts", "diff", "rolled.js", "--from", "1")
    assert status == 3
    assert "+export const main = ({ who }) => `Hallo ${who}`;" in out
    assert terminal.done("scripts", "rollback", "rolled.js", "1") == "rolled.js: version 1 again, as version 3\n"
    assert terminal.done("scripts", "show", "rolled.js") == HELLO
    assert "Hallo" in terminal.done("scripts", "show", "rolled.js", "--version", "2")
    assert terminal.done("scripts", "diff", "rolled.js", "--from", "1", "--to", "3") == ""
    assert terminal("scripts", "rollback", "rolled.js", "9")[0] == 5
    assert terminal("scripts", "versions", "nobody.js")[0] == 5
    assert "version 1 again" in terminal.done("scripts", "versions", "rolled.js")


def test_one_file_is_saved_under_an_id_into_an_app(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "carrier", carrier__js="export const main = () => process.env.PROVIDER;\n")
    file = folder / "carrier.js"
    save = ("scripts", "save", "carrier", file, "--app")
    assert terminal(*save, "bigtel")[::2] == (
        5,
        "scriptforge: there is no app 'bigtel': `scriptforge apps make bigtel` makes it\n",
    )
    terminal.done("apps", "make", "bigtel")
    terminal.done("env", "set", "bigtel", "PROVIDER=https://carrier.example")
    terminal.done(*save, "bigtel")
    assert terminal.done("scripts", "run", "carrier").startswith('returned "https://carrier.example"\n')
    refusal = "scriptforge: script 'carrier' is of app 'bigtel', and stays there: nothing was saved\n"
    assert terminal(*save, "other", "--version", "1") == (1, "", refusal)
    terminal.done(*save, "bigtel", "--version", "1")


def test_one_file_is_saved_as_a_script_and_run(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "single", single__js=COUNT)
    file = folder / "single.js"
    assert terminal.done("scripts", "save", "single", file).startswith("single.js: version 1, uuid ")
    file.write_text("export const main = () => { null.x };\n")
    status, _, err = terminal("scripts", "save", "single", file)
    assert status == 3
    assert "script 'single' is at version 1, and nothing was saved" in err
    data = tmp_path / "data.json"
    data.write_text('{"n": 2}')
    out = terminal.done("scripts", "run", "single", "--data", data)
    assert out.startswith("log 2\nreturned 3\ntime ")
    terminal.done("scripts", "save", "single", file, "--version", "1")
    status, out, _ = terminal("scripts", "run", "single")
    assert status == 4
    assert out.startswith("single.js:1:")
    assert terminal("scripts", "run", "single", "nothing")[0] == 5
    assert terminal("scripts", "run", "single", "--data", "-", typed="[1]")[0] == 1
    assert terminal.done("scripts", "remove", "single") == "single.js: is taken out\n"
