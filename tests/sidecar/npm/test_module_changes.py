"""Another version of a module that scripts use: shown, and installed once their tests pass with it."""

import asyncio
import json
from pathlib import Path

import pytest

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.cli import main
from sidecar.npm.offline import write_file
from sidecar.npm.store import read_store
from sidecar.npm.writing import add_modules
from tests.sidecar.catalog.database.store_desk import RULES, made
from tests.sidecar.npm.local_registry import LocalRegistry
from tests.sidecar.npm.test_writing import built, told

USES = "const price = require('price');\nexports.main = async () => price(100);\n"
TEST = """
import { net } from './net.js';
it('has the price', async () => {
  expect((await script('./order.js').run({})).result).toBe(120);
  expect(net()).toBe(120);
});
"""
ENTRIES = """
[[tenant]]
tenant = "beta"
granted = { apps = { stays = { price = "1.0.0" } } }
[[script]]
file = "shop/order.js"
kind = "app"
tenant = "acme"
app = "shop"
[[script]]
file = "stays/other.js"
kind = "app"
tenant = "beta"
app = "stays"
[[script]]
file = "plain.js"
kind = "app"
"""
GOOD = "module.exports = (net) => net * 1.2"
WRONG = "module.exports = (net) => net"


class Machine:
    """A catalog, its modules, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.modules = folder / "modules"
        self.scripts = folder / "catalog" / "scripts"
        self.capsys = capsys
        for app, name in (("shop", "order"), ("stays", "other")):
            self.write(f"{app}/{name}.js", USES)
            self.write(f"{app}/net.js", "exports.net = () => require('price')(100);")
        self.write("plain.js", "exports.main = () => 1;")
        (folder / "catalog" / "assignments.toml").write_text(ENTRIES)
        self.configure(directory=str(folder / "catalog"))
        add_modules(self.modules, [built("price", "1.0.0", GOOD)], told)

    def configure(self, **catalog: str) -> None:
        lines = [f"{key} = {json.dumps(value)}" for key, value in catalog.items()]
        text = "\n".join(["[catalog]", *lines, "[modules]", f"directory = {json.dumps(str(self.modules))}"])
        (self.folder / "sidecar.toml").write_text(text + "\n")

    def write(self, name: str, text: str) -> None:
        file = self.scripts / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *words: str, status: int = 0) -> str:
        assert main(["modules", *words, "--config", str(self.folder / "sidecar.toml")]) == status
        printed = self.capsys.readouterr()
        return printed.out + printed.err

    def load(self, version: str, text: str, *words: str, status: int = 0) -> str:
        """Install a version from a file, which needs no registry."""
        elsewhere, file = self.folder / f"elsewhere-{version}", self.folder / "modules.tar.gz"
        file.unlink(missing_ok=True)
        add_modules(elsewhere, [built("price", version, text)], told)
        write_file(elsewhere, file)
        return self.run("load", str(file), *words, status=status)

    def versions(self) -> list[str]:
        return [one.version for one in read_store(self.modules).modules]


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Machine:
    return Machine(tmp_path, capsys)


def test_a_newer_version_is_installed_once_the_tests_of_those_who_use_it_pass(machine: Machine) -> None:
    machine.write("shop/order.test.js", TEST)
    machine.write("stays/other.test.js", "it('is of an app that stays as it is', () => { throw new Error() });")
    printed = machine.load("1.1.0", GOOD)
    assert [line.split() for line in printed.splitlines()[:2]] == [
        ["tenant", "app", "script", "module", "now", "then"],
        ["acme", "shop", "shop/order.js", "price", "1.0.0", "1.1.0"],
    ]
    assert "1 passed in 1 file" in printed
    assert machine.versions() == ["1.0.0", "1.1.0"]


def test_where_a_test_fails_nothing_is_changed_unless_it_is_forced(machine: Machine) -> None:
    machine.write("shop/order.test.js", TEST)
    printed = machine.load("2.0.0", WRONG, status=1)
    assert "expected: 120" in printed
    assert "tests fail with what would be installed: nothing is changed; --force does it all the same" in printed
    assert machine.versions() == ["1.0.0"]
    printed = machine.load("2.0.0", WRONG, "--force")
    assert "shop/order.js" in printed
    assert "expected" not in printed
    assert machine.versions() == ["1.0.0", "2.0.0"]


def test_the_same_version_with_another_text_is_a_change_for_all(machine: Machine) -> None:
    machine.write("shop/order.test.js", TEST)
    machine.write("stays/other.test.js", TEST.replace("order", "other"))
    printed = machine.load("1.0.0", WRONG, status=1)
    assert "1.0.0, made anew" in printed
    assert "2 failed in 2 files" in printed
    assert "1 passed" not in printed
    printed = machine.load("1.0.0", f"{GOOD}; // anew")
    assert "2 passed in 2 files" in printed


def test_what_is_added_from_a_registry_is_tested_as_well(machine: Machine, building_registry: LocalRegistry) -> None:
    machine.write("shop/order.test.js", TEST)
    for version, text in (("1.5.0", GOOD), ("2.0.0", WRONG)):
        building_registry.publish("price", version, {"index.js": text})
    words = ("--registry", building_registry.url)
    assert "tests fail" in machine.run("add", "price", *words, status=1)
    assert machine.versions() == ["1.0.0"]
    assert "price@1.5.0: 1 package" in machine.run("add", "price@^1", *words)
    assert machine.versions() == ["1.0.0", "1.5.0"]


def test_what_nobody_uses_or_has_changed_needs_no_test(machine: Machine) -> None:
    machine.write("shop/order.js", "exports.main = () => 1;")
    assert "tenant" not in machine.load("2.0.0", WRONG)
    assert "tenant" not in machine.load("1.0.0", GOOD)
    assert "tenant" not in machine.load("0.9.0", WRONG)
    assert "is removed" in machine.run("remove", "price@2.0.0")


def test_without_tests_it_is_refused_and_others_may_be_named(machine: Machine) -> None:
    refused = "there are no tests of these scripts, none stand beside them: --tests PATH names some"
    assert refused in machine.load("2.0.0", WRONG, status=1)
    elsewhere = machine.folder / "tests"
    elsewhere.mkdir()
    (elsewhere / "price.test.js").write_text("const p = require('price'); it('is', () => expect(p(100)).toBe(120));")
    assert "1 failed in 1 file" in machine.load("2.0.0", WRONG, "--tests", str(elsewhere), status=1)
    assert machine.versions() == ["1.0.0"]
    assert "1 passed in 1 file" in machine.load("2.0.0", GOOD, "--tests", str(elsewhere / "price.test.js"))


def test_what_scripts_would_be_left_without_is_not_removed(machine: Machine) -> None:
    printed = machine.run("remove", "price", status=1)
    assert [line.split()[-1] for line in printed.splitlines()[1:3]] == ["none", "none"]
    assert "scripts would be left without price: nothing is changed" in printed
    assert machine.versions() == ["1.0.0"]
    assert "price@1.0.0 is removed" in machine.run("remove", "price", "--force")


def test_without_a_catalog_there_is_nobody_to_ask(machine: Machine) -> None:
    machine.configure(directory=str(machine.folder / "none"))
    assert "none: there is no catalog" in machine.load("2.0.0", WRONG)
    assert machine.versions() == ["1.0.0", "2.0.0"]


def test_where_the_catalog_cannot_be_looked_at_it_takes_a_word(machine: Machine) -> None:
    machine.configure(directory=f"/{'x' * 300}")
    assert "File name too long; nothing is changed; --force" in machine.load("2.0.0", WRONG, status=1)
    machine.configure(directory=str(machine.folder / "catalog"))
    (machine.folder / "catalog" / "assignments.toml").write_bytes(b"\xff")
    assert "who uses it cannot be said: " in machine.load("2.0.0", WRONG, status=1)
    assert machine.versions() == ["1.0.0"]
    assert "who uses it cannot be said: " in machine.load("2.0.0", WRONG, "--force")
    assert machine.versions() == ["1.0.0", "2.0.0"]


def test_a_broken_file_hides_nobody_else(machine: Machine) -> None:
    machine.write("plain.js", "function main( {")
    assert "shop/order.js" in machine.load("2.0.0", WRONG, status=1)


async def _fill(url: str) -> None:
    desk = await made(url)
    desk.checks = Checks(Rules(modules=RULES.modules | {"price"}), 1_000_000)
    for tenant in ("acme", "beta"):
        await desk.put(tenant, tenant, USES, kind="app")
    await desk.grant("beta", ModuleGrants(modules={"price": "1.0.0"}))
    await desk.close()


def test_a_database_says_who_uses_it_and_tests_are_named(machine: Machine) -> None:
    url = f"sqlite:///{machine.folder}/catalog.db"
    machine.configure(url=url)
    printed = machine.load("2.0.0", WRONG, status=1)
    assert "who uses it cannot be said: " in printed
    asyncio.run(_fill(url))
    printed = machine.load("2.0.0", WRONG, status=1)
    assert [line.split() for line in printed.splitlines()[1:2]] == [["acme", "acme.js", "price", "1.0.0", "2.0.0"]]
    assert "a catalog in a database has none: --tests PATH names some" in printed
    machine.write("shop/order.test.js", TEST)
    shop = machine.scripts / "shop"
    assert "tests fail" in machine.load("2.0.0", WRONG, "--tests", str(shop), status=1)
    assert "1 passed in 1 file" in machine.load("1.5.0", GOOD, "--tests", str(shop))
