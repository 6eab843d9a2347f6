"""`scriptforge check`: paths, output and exit status."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import check as check_command
from sidecar.hosts.grants import Grants
from sidecar.hosts.module import Asker, HostModule

MAIN = "function main(data) { return data }\n"


def check(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    check_command.add_parser(parser.add_subparsers())
    return check_command.run(parser.parse_args(["check", *map(str, words)]))


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "assignments.toml").write_text("[[did]]\ndid = '1'\nscript = 'a'\n")
    (tmp_path / "scripts" / "a.js").write_text(MAIN)
    (tmp_path / "sidecar.toml").write_text(f"[catalog]\ndirectory = '{tmp_path}'\nscript_bytes = 1000\n")
    return tmp_path


def test_a_clean_catalog(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(catalog) == 0
    assert capsys.readouterr().out == "1 script: no problems\n"


def test_the_configured_catalog_is_the_default(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "scripts" / "a.js").write_text("function main() {\n  require('x')\n}\n")
    assert check("--config", catalog / "sidecar.toml") == 4
    assert capsys.readouterr().out == (
        f"{catalog}/scripts/a.js:2:3: error: `require` in a Script, which has no modules\n"
        "      require('x')\n"
        "      ^\n"
        "1 script: 1 error, 0 warnings\n"
    )


@pytest.mark.parametrize("in_catalog", [True, False], ids=["in a catalog", "alone"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "function main() {\n  const \u00e9t\u00e9 = 1; let d; let d;\n}\n",
            ":2:30: error: SyntaxError: invalid redefinition of",
        ),
        ("// \n#! /usr/bin/node\nfunction main() {}\n", ":2:1: error: SyntaxError: "),
        ("function main(data) { return data.#x }\n", ": error: SyntaxError: undefined private field '#x'"),
        ("function main(data) { return /(/ }\n", ": error: SyntaxError: expecting ')'"),
    ],
    ids=["a name declared twice", "#! below the first line", "a private name of no class", "a pattern"],
)
def test_what_only_the_engine_finds(
    catalog: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str, in_catalog: bool
) -> None:
    file = catalog / "scripts" / "a.js"
    file.write_text(text)
    assert check(catalog if in_catalog else file) == 4
    assert capsys.readouterr().out.startswith(f"{file}{problem}")


def test_where_the_engine_cannot_be_asked_that_is_said(
    catalog: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert check(catalog) == 0
    assert capsys.readouterr().err.startswith("scriptforge check: the engine could not be asked about the scripts: ")


def test_files_and_their_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.js"
    file.write_text("async function main() {}\n")
    assert check(file, "--kind", "script") == 4
    assert f"{file}:1:1: error: `async` in a Script" in capsys.readouterr().out
    assert check(file, "--kind", "app") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("function main(data) { return data }", "a Script"),
        ("\nasync function main() {}", "an App (async, line 2)"),
        ("function main(data, ctx) { ctx.answer() }", "an App (ctx, line 1)"),
        ("import cxC5Server from 'cxC5Server';\nexport function main() {}", "an App (import, line 1)"),
        ("const S = require('cxC5Server');\nfunction main() {}", "an App (require, line 1)"),
        ("function main() { setTimeout(() => {}, 1) }", "an App (setTimeout, line 1)"),
        ("function main() { return Promise.reject([404, 'x']) }", "an App (Promise, line 1)"),
        ("function main(data) { const setTimeout = 1; return setTimeout }", "a Script"),
        ("function main(data { return", "a Script"),
    ],
)
def test_the_kind_is_taken_from_the_file(
    text: str, taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.js"
    file.write_text(text + "\n")
    status = check(file)
    output = capsys.readouterr()
    assert output.err == f"scriptforge check: {file}: taken for {taken}; --kind decides\n"
    assert status == (4 if "{ return" in text and "}" not in text else 0), output.out


def test_the_configuration_is_checked_as_well(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "sidecar.toml").write_text("[sandbox]\nworkers = 0\n")
    assert check("--config", catalog / "sidecar.toml", catalog) == 4
    assert capsys.readouterr().out == (
        f"{catalog}/sidecar.toml:2:1: error: sandbox.workers: expected a whole number >= 1, got 0\n"
        "1 script: 1 error, 0 warnings\n"
    )


def test_the_configured_size_holds_for_files_too(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "long.js").write_text(MAIN + "/" * 1_000)
    assert check("--config", catalog / "sidecar.toml", catalog / "long.js") == 4
    assert f"{catalog}/long.js: error: is longer than 1_000 bytes\n" in capsys.readouterr().out


def test_warnings_alone_are_clean(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "assignments.toml").write_text("[[did]]\ndid = '1'\nscript = 'a'\nvars.x = 9007199254740993\n")
    assert check(catalog) == 0
    assert capsys.readouterr().out.endswith("1 script: 0 errors, 1 warning\n")


def test_json(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "assignments.toml").write_text("[[did]]\ndid = '1'\nscript = 'b'\n")
    assert check(catalog, "--json") == 4
    assert json.loads(capsys.readouterr().out) == {
        "problems": [
            {
                "file": f"{catalog}/assignments.toml",
                "line": 3,
                "column": 1,
                "severity": "error",
                "message": "there is no script 'b'",
            }
        ]
    }


def test_a_directory_of_plain_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "b.js").write_text("wrong(")
    (tmp_path / "a.js").write_text(MAIN)
    (tmp_path / "more" / "b.js").write_text("async function main() {}\n")
    assert check(tmp_path) == 0
    assert capsys.readouterr().out == "2 scripts: no problems\n"
    (tmp_path / "more" / "b.js").write_text("async function main( {}\n")
    assert check(tmp_path) == 4
    assert f"{tmp_path}/more/b.js:1:20: error" in capsys.readouterr().out


def test_a_directory_without_any_script_is_a_catalog_that_lacks_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path) == 4
    assert f"{tmp_path}/assignments.toml: error" in capsys.readouterr().out


def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path / "none.js") == 2
    assert capsys.readouterr().err == f"scriptforge check: there is no {tmp_path}/none.js\n"
    with pytest.raises(SystemExit) as caught:
        check("--kind", "teapot")
    assert caught.value.code == 2


def test_a_toml_file_is_no_script(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(catalog / "sidecar.toml") == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"scriptforge check: {catalog}/sidecar.toml is no script: name a configuration with --config"
    )


def test_an_empty_line_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.js").write_text("")
    assert check(tmp_path / "a.js") == 4
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_module_that_the_host_has_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_asker: Asker, _method: str, _values: list[Any]) -> None: ...

    script = tmp_path / "a.js"
    script.write_text("const kv = require('kv'); async function main(data) { await kv.get('a') }")
    assert check(script, "--kind", "app") == 4
    assert "there is no module 'kv'" in capsys.readouterr().out
    kv = HostModule(name="kv", javascript="() => ({})", answer=answer)
    monkeypatch.setattr(check_command, "shipped_names", lambda _: Grants([kv]).names())
    assert check(script, "--kind", "app") == 0


def test_the_accounts_of_the_sip_agent_are_checked(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accounts = catalog / "sip.toml"
    with (catalog / "sidecar.toml").open("a") as file:
        file.write(f"[sip]\naccounts = '{accounts}'\n")
    configured = ("--config", catalog / "sidecar.toml")
    accounts.write_text("[[user]]\nname = 'alice'\npassword = 'secret'\n")
    accounts.chmod(0o640)
    assert check(*configured) == 0
    assert capsys.readouterr().out == "1 script: no problems\n"
    accounts.chmod(0o644)
    assert check(*configured) == 0
    assert f"{accounts}: warning: its passwords can be read by everybody on this machine (mode 0644): chmod o-rwx" in (
        capsys.readouterr().out
    )
    accounts.write_text("[[user]]\nname = 'alice'\npassword = 'secret'\nalgorithms = ['MD4']\n")
    assert check(*configured) == 4
    out = capsys.readouterr().out
    assert f"{accounts}: error: Invalid enum value 'MD4'" in out
    assert "secret" not in out
    assert "1 script: 1 error, 1 warning" in out
    accounts.unlink()
    assert check(*configured) == 4
    assert f"{accounts}: error: [Errno 2] No such file or directory" in capsys.readouterr().out


def test_files_that_others_import_need_no_main_and_find_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "main.js").write_text("import { tax } from './lib/tax'\nexport const main = () => tax\n")
    tax = "import rates from '../rates'\nexport const tax = (n: number): unknown => rates\n"
    (tmp_path / "lib" / "tax.ts").write_text(tax)
    (tmp_path / "rates.json").write_text("[1]")
    assert check(tmp_path) == 0
    assert capsys.readouterr().out == "2 scripts: no problems\n", "JSON is checked where it is imported"
    (tmp_path / "left.js").write_text("export const over = 1\n")
    assert check(tmp_path) == 0
    assert "left.js:1:1: warning: no `main`, which calls need" in capsys.readouterr().out


def test_an_entry_that_another_script_imports_needs_no_main(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "scripts" / "a.js").write_text("import { b } from './b'\nexport const main = () => b\n")
    (catalog / "scripts" / "b.js").write_text("export const b = 1\n")
    entry = "[[script]]\nfile = '{}'\nkind = 'app'\n"
    (catalog / "assignments.toml").write_text(entry.format("a.js") + entry.format("b.js"))
    assert check(catalog) == 0
    assert capsys.readouterr().out == "2 scripts: no problems\n"
