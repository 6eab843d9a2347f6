"""Which packages a program has: those that its texts name, with what these require, and no others."""

from pathlib import Path

import pytest

from sandbox.program import Package
from sidecar.hosts.errors import CoreModulesMissing
from sidecar.hosts.node import core
from sidecar.hosts.node.core import core_modules, manifest
from sidecar.hosts.node.packages import NONE, Packages, ProgramPackages
from sidecar.kind import Kind
from sidecar.language.modules import NODE, NODE_ABSENT
from sidecar.language.prepared import prepare

INSTALLED = Packages(
    {
        "moment": (Package(key="moment", text="module.exports = () => 1;"), frozenset()),
        "axios": (Package(key="axios", text="Buffer; process.env; require('zlib')"), frozenset({"zlib"})),
        "buffer": (Package(key="own", text="// an npm module of that name"), frozenset()),
    }
)


def of(text: str) -> ProgramPackages:
    made = prepare(text, Kind.APP, modules=INSTALLED.names())
    return INSTALLED.of([text], made.modules, made.modules_at_top)


def test_what_is_told_to_be_there_was_made() -> None:
    assert set(core_modules()) == NODE | NODE_ABSENT
    assert not NODE & NODE_ABSENT


def test_what_core_modules_require_are_core_modules() -> None:
    for name, module in core_modules().items():
        assert set(module.requires) <= set(core_modules()), name


def test_licences_are_permissive() -> None:
    assert {one.license for one in manifest().packages} <= {"MIT", "BSD-3-Clause", "(MIT AND Zlib)"}


def test_a_text_that_was_changed_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = tmp_path / "built"
    built.mkdir()
    monkeypatch.setattr(core, "files", lambda _: tmp_path)
    manifest.cache_clear()
    core_modules.cache_clear()
    try:
        with pytest.raises(CoreModulesMissing, match="run make"):
            core_modules()
        text = '{"modules": {"os": {"sha512": "00", "requires": []}}, "packages": []}'
        (built / "manifest.json").write_text(text, encoding="utf-8")
        with pytest.raises(CoreModulesMissing, match="module os for scripts is not there"):
            core_modules()
        (built / "os.js").write_text("module.exports = 1;", encoding="utf-8")
        with pytest.raises(CoreModulesMissing, match="its SHA-512 is another"):
            core_modules()
    finally:
        manifest.cache_clear()
        core_modules.cache_clear()


def test_who_names_nothing_has_nothing() -> None:
    assert of("async function main(data) { return data; }") == NONE


def test_a_package_and_what_it_requires() -> None:
    found = of("const axios = require('axios'); function main() {}")
    assert {"axios", "zlib", "stream", "process"} <= set(found.packages)
    assert found.packages["zlib"].trusted
    assert not found.packages["axios"].trusted
    assert set(found.globals) == {"Buffer", "process"}
    assert {"axios", "process"} <= set(found.begun)
    assert "zlib" not in found.begun


def test_what_is_named_within_a_function_is_evaluated_when_that_asks() -> None:
    found = of("function main() { return require('moment')() }")
    assert set(found.packages) == {"moment"}
    assert found.begun == ()
    assert of("class A { a = require('moment') } function main() {}").begun == ()
    assert of("import moment from 'moment'; export const main = () => moment").begun == ("moment",)


def test_nodes_own_goes_before_what_is_installed_under_its_name() -> None:
    assert of("require('buffer'); function main() {}").packages["buffer"].trusted
    assert of("require('node:util'); function main() {}").packages["util"].trusted


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Buffer.from('')", {"Buffer"}),
        ("process.env.A", set()),
        ("process?.env", set()),
        ("process.nextTick(f)", {"process"}),
        ("f(process)", {"process"}),
    ],
)
def test_globals_are_there_for_who_names_them(text: str, names: set[str]) -> None:
    assert set(Packages().of([text], (), ()).globals) == names
