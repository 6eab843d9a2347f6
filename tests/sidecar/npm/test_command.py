"""``scriptforge modules`` against a registry of the tests' own: what it installs, and what it refuses by name."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import main
from sidecar.npm import archive, bundling, esbuild
from sidecar.npm.store import Installed, read_store
from tests.sidecar.npm.local_registry import ADVISORIES_PATH, LocalRegistry, answer, archive_of


@dataclass
class Modules:
    """The command, on a folder of its own."""

    directory: Path
    registry: LocalRegistry
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str, status: int = 0) -> str:
        """What it prints, errors included."""
        asks = words[0] in {"install", "add", "audit"}
        registry = ["--registry", self.registry.url] if asks else []
        assert main(["modules", *words, "--directory", str(self.directory), *registry]) == status
        printed = self.capsys.readouterr()
        return printed.out + printed.err

    def installed(self, entry: str) -> Installed:
        store = read_store(self.directory)
        assert store.refused == ()
        found = store.find(entry)
        assert found is not None
        return found

    def node(self, entry: str, expression: str) -> Any:
        """What an expression of ``it``, which requires the entry, is in Node."""
        program = (
            "const module = {exports: {}}; const text = require('fs').readFileSync(0, 'utf8');"
            "new Function('require', 'module', 'exports', '__filename', '__dirname', text)"
            "(require, module, module.exports, '', ''); const it = module.exports;"
            f"console.log(JSON.stringify({expression}))"
        )
        text = self.installed(entry).text(entry)
        done = subprocess.run(["node", "-e", program], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def is_empty(self) -> bool:
        return not self.directory.exists() or read_store(self.directory).modules == ()


@pytest.fixture
def modules(building_registry: LocalRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Modules:
    return Modules(tmp_path / "modules", building_registry, capsys)


def test_a_package_and_what_it_needs_are_one_text(modules: Modules) -> None:
    publish = modules.registry.publish
    publish(
        "a",
        "1.2.0",
        {"index.js": "exports.sum = require('b').sum; exports.sep = require('path').sep;"},
        dependencies={"b": "^1"},
    )
    publish(
        "b",
        "1.0.0",
        {"lib.js": "exports.sum = (x, y) => x + y;", "LICENSE": "Do as you like"},
        main="lib",
        license="ISC",
    )
    publish("b", "2.0.0", {"index.js": "throw 1;"})
    assert "a@1.2.0: 2 packages, for require of a\n" in modules.run("add", "a")
    assert modules.node("a", "[it.sum(1, 2), it.sep]") == [3, "/"]
    installed = modules.installed("a")
    assert installed.requires == {"path"}
    assert [(one.name, one.version, one.licence) for one in installed.packages] == [
        ("a", "1.2.0", "MIT"),
        ("b", "1.0.0", "ISC"),
    ]
    assert modules.run("list").splitlines()[1].split() == ["a", "1.2.0", "2", "a"]
    assert modules.run("list", "--licences").splitlines()[2].split() == ["a@1.2.0", "b", "1.0.0", "ISC"]
    assert "b 1.0.0, ISC\n\nDo as you like\n" in modules.run("list", "--notices", "a")
    listed = json.loads(modules.run("list", "--json"))
    assert listed["refused"] == []
    assert listed["modules"][0]["entries"][0]["requires"] == ["path"]


def test_an_es_module_is_one_text_and_said_to_be_one(modules: Modules) -> None:
    files = {"index.mjs": "export default 1; export const x = 2; export * from 'b/more.js';"}
    modules.registry.publish("a", files=files, main="index.mjs", dependencies={"b": "1"})
    modules.registry.publish(
        "b", files={"more.js": "export const y = 3;"}, type="module", exports={"./more.js": "./more.js"}
    )
    modules.run("add", "a")
    assert modules.node("a", "it") == {"default": 1, "x": 2, "y": 3}
    assert modules.installed("a").entries["a"].es_module


def test_a_package_gives_what_require_gives_in_node(modules: Modules) -> None:
    files = {
        "i.mjs": "export default 'import';",
        "r.cjs": "module.exports = 'require';",
        "b.js": "module.exports = 'browser';",
    }
    exports = {".": {"browser": "./b.js", "import": "./i.mjs", "require": "./r.cjs"}}
    modules.registry.publish("@s/a", files=files, exports=exports, browser="./b.js")
    modules.run("add", "@s/a")
    assert modules.node("@s/a", "it") == "require"
    assert not modules.installed("@s/a").entries["@s/a"].es_module


def test_entries_are_texts_of_their_own(modules: Modules) -> None:
    modules.registry.publish("a", files={"index.js": "exports.at = 'a'", "lib/b.js": "exports.at = 'b'"})
    modules.run("add", "a", "--entry", "lib/b")
    assert modules.node("a", "it.at") == "a"
    assert modules.node("a/lib/b", "it.at") == "b"
    assert 'Could not resolve "a/lib/c"' in modules.run("add", "a", "--entry", "lib/c", status=1)
    assert "cannot be an entry" in modules.run("add", "a", "--entry", "../c", status=1)


def test_entries_that_scripts_ask_for_are_there_unasked(modules: Modules) -> None:
    files = {"index.js": "", "lib/sync.js": "exports.at = 'sync'"}
    modules.registry.publish("csv-parse", "4.16.3", files)
    modules.run("add", "csv-parse@4")
    assert list(modules.installed("csv-parse").entries) == ["csv-parse", "csv-parse/lib/sync"]


def test_versions_stand_beside_each_other(modules: Modules) -> None:
    for version in ("1.0.0", "1.5.0", "2.0.0"):
        modules.registry.publish("a", version, {"index.js": f"module.exports = '{version}'"})
    modules.run("add", "a@^1")
    modules.run("add", "a")
    assert modules.node("a", "it") == "2.0.0"
    store = read_store(modules.directory)
    assert [one.version for one in store.modules] == ["1.5.0", "2.0.0"]
    assert "a@1.5.0 is removed" in modules.run("remove", "a@1.5.0")
    assert "a@1.5.0: is not installed" in modules.run("remove", "a@1.5.0", status=1)
    assert "a@2.0.0 is removed" in modules.run("remove", "a")
    assert modules.is_empty()


def test_what_is_asked_for_in_a_try_and_not_there_is_said(modules: Modules) -> None:
    text = "try { require('not-there') } catch (error) { exports.code = error.code }"
    modules.registry.publish("a", files={"index.js": text}, optionalDependencies={"not-there": "1"})
    assert "does without not-there" in modules.run("add", "a")
    assert modules.node("a", "it.code") == "MODULE_NOT_FOUND"


def test_no_script_of_a_package_is_run(modules: Modules, tmp_path: Path) -> None:
    scripts = {"preinstall": f"touch {tmp_path}/run", "postinstall": f"touch {tmp_path}/run", "test": "x"}
    modules.registry.publish("a", scripts=scripts)
    assert "a@1.0.0: its preinstall, postinstall is not run" in modules.run("add", "a")
    assert not (tmp_path / "run").exists()


def refuse_tampered(registry: LocalRegistry) -> None:
    registry.publish("a", dependencies={"b": "1"})
    registry.publish("b")
    registry.serve("/b/-/b-1.0.0.tgz", archive_of({"package.json": "{}", "index.js": "steal()"}))


def refuse_native(registry: LocalRegistry) -> None:
    registry.publish("a", dependencies={"b": "1"})
    registry.publish("b", files={"index.js": "", "binding.gyp": "{}"})


def refuse_prebuilt(registry: LocalRegistry) -> None:
    registry.publish("a", files={"index.js": "", "b.node": b"\x7fELF"})


def refuse_no_licence(registry: LocalRegistry) -> None:
    registry.publish("a", files={"index.js": "require('b')"}, dependencies={"b": "1"})
    registry.publish("b", license=None)


def refuse_licence(registry: LocalRegistry) -> None:
    registry.publish("a", license="GPL-3.0-only")


def refuse_path(registry: LocalRegistry) -> None:
    registry.publish("a", archive=archive_of({"package.json": "{}", "../../../../../../tmp/up": "x"}))


def refuse_bomb(registry: LocalRegistry) -> None:
    registry.publish("a", archive=archive_of({"package.json": "{}", "big": bytes(30_000_000)}))


def refuse_range(registry: LocalRegistry) -> None:
    registry.publish("a", dependencies={"b": "^2"})
    registry.publish("b")


def refuse_git(registry: LocalRegistry) -> None:
    registry.publish("a", dependencies={"b": "github:x/b"})
    registry.publish("b")


def refuse_missing(registry: LocalRegistry) -> None:
    registry.publish("a", dependencies={"b": "1"})


def refuse_syntax(registry: LocalRegistry) -> None:
    registry.publish("a", files={"index.js": "let let = 1;"})


def refuse_no_main(registry: LocalRegistry) -> None:
    registry.publish("a", files={"index.d.ts": ""})


def refuse_top_level_await(registry: LocalRegistry) -> None:
    registry.publish("a", files={"index.js": "export default await 1;"}, type="module")


@pytest.mark.parametrize(
    ("publish", "reason"),
    [
        (refuse_tampered, r"/b/-/b-1.0.0.tgz: its SHA-512 is not sha512-"),
        (refuse_native, "b@1.0.0: is a native add-on (binding.gyp), which scripts cannot load"),
        (refuse_prebuilt, "a@1.0.0: has native code, b.node, which scripts cannot load"),
        (refuse_no_licence, "b@1.0.0: declares no licence; where you may use it all the same, say under what"),
        (refuse_licence, "a@1.0.0: is under GPL-3.0-only;"),
        (refuse_path, "a@1.0.0: its archive has 'package/../../../../../../tmp/up', which is no path within it"),
        (refuse_bomb, "a@1.0.0: its archive has more than 20000000 bytes unpacked"),
        (refuse_range, "b@^2: there is no such version; the latest is 1.0.0"),
        (refuse_git, "a needs b from 'github:x/b', which is no registry"),
        (refuse_missing, "has no package of this name"),
        (refuse_syntax, "a@1.0.0: cannot be made one text: "),
        (refuse_no_main, 'Could not resolve "a"'),
        (refuse_top_level_await, "a@1.0.0: cannot be made one text: "),
    ],
)
def test_what_is_refused_is_named_and_nothing_is_installed(
    modules: Modules, publish: Callable[[LocalRegistry], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 20_000_000)
    publish(modules.registry)
    modules.registry.publish("good")
    assert reason in modules.run("add", "good", "a", status=1)
    assert modules.is_empty()


def test_the_operator_may_say_under_what_a_package_is(modules: Modules) -> None:
    refuse_no_licence(modules.registry)
    modules.run("add", "a", "--allow-licence", "b=LicenseRef-bought")
    assert modules.run("list", "--licences").splitlines()[2].split() == ["a@1.0.0", "b", "1.0.0", "LicenseRef-bought"]


def test_the_licence_of_a_package_that_no_text_has_does_not_matter(modules: Modules) -> None:
    modules.registry.publish("a", dependencies={"types": "1"})
    modules.registry.publish("types", license=None)
    assert "a@1.0.0: 1 package," in modules.run("add", "a")


def test_code_of_our_own_stands_for_what_cannot_be_shipped(modules: Modules) -> None:
    """The use that decompress-zip makes of `binary`, and one of a stream's pieces, which takes `buffers`."""
    text = "module.exports = () => require('buffers')"
    modules.registry.publish("binary", files={"index.js": text}, dependencies={"buffers": "~0.1.1"})
    modules.run("add", "binary")
    program = (
        "(() => { const b = it()(); b.push(Buffer.from('abc'), Buffer.from('def')); const s = b.splice(1, 3);"
        " return [b.length, b.slice().toString(), s.slice().toString(), b.indexOf(Buffer.from('f'), 1), b.get(0),"
        " b.slice(1).toString(), b.indexOf('z')] })()"
    )
    assert modules.node("binary", program) == [3, "aef", "bcd", 2, 97, "ef", -1]
    assert [one.name for one in modules.installed("binary").packages] == ["binary", "buffers"]
    assert "/buffers" not in modules.registry.asked


def test_a_text_is_bounded(modules: Modules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundling, "TEXT_BYTES", 1_000)
    modules.registry.publish("a", files={"index.js": f"exports.a = '{'x' * 1_001}'"})
    assert "a has 1" in modules.run("add", "a", status=1)
    assert modules.is_empty()


def test_esbuild_has_so_much_time_and_no_more(modules: Modules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(esbuild, "SECONDS", 0.0)
    modules.registry.publish("a")
    assert "a@1.0.0: cannot be made one text: esbuild is not at its end after 0 s" in modules.run("add", "a", status=1)


def test_what_a_package_or_the_machine_has_configured_changes_nothing(
    modules: Modules, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "x.js").write_text("module.exports = 'of the machine'")
    files = {
        "index.js": "try { module.exports = require('x') } catch { module.exports = 'not there' }",
        "tsconfig.json": "{",
    }
    modules.registry.publish("a", files=files)
    with monkeypatch.context() as patch:
        patch.setenv("NODE_PATH", str(tmp_path))
        modules.run("add", "a")
    assert modules.node("a", "it") == "not there"


def test_packages_in_a_folder_above_are_not_taken(
    modules: Modules, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As anybody may make below /tmp."""
    planted = tmp_path / "node_modules" / "x"
    planted.mkdir(parents=True)
    (planted / "index.js").write_text("steal()")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modules.registry.publish("a", files={"index.js": "try { require('x') } catch {}"})
    assert f"{planted}/index.js: is of no package that was fetched" in modules.run("add", "a", status=1)
    assert modules.is_empty()


def test_a_changed_text_is_told_by_name(modules: Modules) -> None:
    modules.registry.publish("a")
    modules.run("add", "a")
    next(modules.directory.glob("a@*.js")).write_text("steal()")
    printed = modules.run("list", status=4)
    assert "problem: a@1.0.0: a@1.0.0-" in printed
    assert "has been changed" in printed


def test_what_is_known_against_a_package_is_told(modules: Modules) -> None:
    modules.registry.publish("a", "1.0.0", {"index.js": "require('b')"}, dependencies={"b": "1"})
    modules.registry.publish("b", "1.1.0")
    assert modules.run("audit") == "nothing is known against them\n"
    modules.run("add", "a")
    assert modules.run("audit") == "nothing is known against them\n"
    # As npm's has it: https://docs.npmjs.com/cli/commands/npm-audit#bulk-advisory-endpoint
    known = {
        "id": 1_097_683,
        "url": "https://x.example",
        "title": "A hole\x1b[2J",
        "severity": "high",
        "vulnerable_versions": "<1.2.0",
        "cwe": ["CWE-1333"],
        "cvss": {"score": 7.5, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"},
    }
    modules.registry.advisories = {"b": [known, {**known, "vulnerable_versions": "<1"}], "a": [{"severity": 1}]}
    first, second, last = modules.run("audit", status=4).splitlines()
    assert first == "high: b@1.1.0, in a@1.0.0: A hole\\x1b[2J (https://x.example)"
    assert second.startswith("1: a@1.0.0: ")
    assert last == "2 known problems"
    assert json.loads(modules.run("audit", "--json", status=4))[0]["vulnerable"] == "<1.2.0"


@pytest.mark.parametrize(("status", "words"), [(405, "405 Method Not Allowed"), (404, "404 Not Found")])
def test_a_mirror_that_says_nothing_of_packages_is_told_apart_from_one_that_knows_nothing(
    status: int, words: str, modules: Modules
) -> None:
    modules.registry.publish("a")
    modules.run("add", "a")
    modules.registry.answers[ADVISORIES_PATH] = lambda handler: answer(handler, b"no", status=status)
    assert modules.run("audit", status=1) == (
        f"scriptforge: {modules.registry.url}: does not say what is known against packages: it answers"
        f" {ADVISORIES_PATH} with {words}, as mirrors do; npm's own does: --registry https://registry.npmjs.org."
        " Nothing was looked at\n"
    )


def test_a_machine_without_a_network_takes_a_file(modules: Modules, tmp_path: Path) -> None:
    modules.registry.publish("a", files={"index.js": "module.exports = 1"})
    modules.run("add", "a")
    file = tmp_path / "modules.tar.gz"
    digest = modules.run("bundle", str(file)).rpartition("SHA-512 ")[2].strip()
    other = Modules(tmp_path / "other", modules.registry, modules.capsys)
    assert "expected 128 hexadecimal digits" in wrong_usage(other, "load", str(file), "--sha512", "12")
    assert "is not the one that was given" in other.run("load", str(file), "--sha512", "0" * 128, status=1)
    assert "a@1.0.0: 1 package, for require of a" in other.run("load", str(file), "--sha512", digest)
    assert other.node("a", "it") == 1


def wrong_usage(modules: Modules, *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        modules.run(*words)
    assert ended.value.code == 2
    return modules.capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("add", "a", "b", "--entry", "x"), "name one package"),
        (("add", "a", "--allow-licence", "x"), "expected PACKAGE=LICENCE"),
        (("audit", "--registry", "ftp://x"), "--registry: expected http://HOST"),
    ],
)
def test_wrong_words_are_told(modules: Modules, words: tuple[str, ...], reason: str) -> None:
    if "--registry" in words:
        with pytest.raises(SystemExit):
            main(["modules", *words])
        assert reason in modules.capsys.readouterr().err
        return
    assert reason in wrong_usage(modules, *words)


def test_the_folder_is_that_of_the_configuration(
    modules: Modules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    modules.registry.publish("a")
    monkeypatch.setenv("SCRIPTFORGE_MODULES__DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("SCRIPTFORGE_MODULES__REGISTRY", modules.registry.url)
    assert main(["modules", "add", "a"]) == 0
    assert os.listdir(tmp_path / "state")  # noqa: PTH208 - whether there is anything
    assert f"installed in {tmp_path / 'state'}" in capsys.readouterr().out
