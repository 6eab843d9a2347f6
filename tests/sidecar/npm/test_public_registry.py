"""npm's own registry: the modules that this release was tried with, ten that authors would want, and npm's own reader
of the lock file."""

import json
import subprocess
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.npm.core_modules import CORE_MODULES
from sidecar.npm.installing import scripts_modules, shipped_lock
from sidecar.npm.lock import lock_bytes
from sidecar.npm.manifest import Manifest
from sidecar.npm.recipes import LOCK_FILE, SUBSTITUTES
from sidecar.npm.registry import Registry
from sidecar.npm.store import Store, read_directory, read_store
from sidecar.npm.tree import is_for_this_machine, resolve

TEN = ("ajv", "date-fns", "dayjs", "fast-xml-parser", "jsonata", "libphonenumber-js", "lodash", "nanoid", "uuid", "zod")
LOAD = """
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const loaded = {};
for (const [name, text] of Object.entries(texts)) {
  const module = {exports: {}};
  const body = new Function("require", "module", "exports", "__filename", "__dirname", text);
  body(require, module, module.exports, "", "");
  loaded[name] = [typeof module.exports, ...Object.keys(module.exports)];
}
console.log(JSON.stringify(loaded));
"""


def loaded_in_node(store: Store) -> dict[str, list[str]]:
    """Of each entry its type and the names that it has, as Node has them of its text."""
    assert store.refused == ()
    texts = {name: module.text(name) for module in store.modules for name in module.entries}
    done = subprocess.run(
        ["node", "--no-deprecation", "-e", LOAD], input=json.dumps(texts), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shipped")
    assert main(["modules", "install", "--directory", str(directory)]) == 0
    return directory


def test_the_modules_of_the_lock_file_are_installed_and_load(shipped: Path) -> None:
    found = loaded_in_node(read_store(shipped))
    assert set(scripts_modules()) | {"csv-parse/lib/sync"} == found.keys()
    assert len(scripts_modules()) == 16
    for name, expected in {
        "axios": "create",
        "axios-cookiejar-support": "wrapper",
        "card-validator": "expirationDate",
        "csv-parse": "Parser",
        "data-forge": "fromCSV",
        "elasticemail-webapiclient": "client",
        "fast-csv": "parseString",
        "fast-toml": "parse",
        "soap": "createClientAsync",
        "stripe": "API_VERSION",
        "tough-cookie": "CookieJar",
    }.items():
        assert expected in found[name], name


def test_what_they_ask_for_is_nodes_or_said_to_be_absent(shipped: Path) -> None:
    modules = read_directory(shipped).modules
    assert {required for module in modules for entry in module.entries for required in entry.requires} <= CORE_MODULES
    assert {absent for module in modules for entry in module.entries for absent in entry.absent} == {
        "supports-color",
        "wcwidth",
    }


def test_no_code_without_a_licence_is_in_them(shipped: Path) -> None:
    manifest: Manifest = read_directory(shipped)
    packages = [package for module in manifest.modules for package in module.packages]
    assert all(package.licence for package in packages)
    assert {package.name for package in packages if not package.integrity} == {"buffers", "request"}
    assert {folder.name for folder in SUBSTITUTES.iterdir()} == {"buffers", "request"}
    for module in manifest.modules:
        assert (shipped / module.notices.file).read_text().startswith(f"{module.packages[0].name} ")


def test_ten_more_that_authors_want_are_installed_by_one_command(tmp_path: Path) -> None:
    assert main(["modules", "add", *TEN, "--directory", str(tmp_path)]) == 0
    found = loaded_in_node(read_store(tmp_path))
    assert set(TEN) <= found.keys()
    for name, expected in {
        "ajv": "function",
        "date-fns": "addDays",
        "dayjs": "extend",
        "dayjs/plugin/utc": "function",
        "fast-xml-parser": "XMLParser",
        "jsonata": "function",
        "libphonenumber-js/min": "parsePhoneNumber",
        "lodash/fp": "map",
        "nanoid": "customAlphabet",
        "uuid": "v7",
        "zod": "object",
    }.items():
        assert expected in found[name], name


def test_the_lock_file_is_what_package_json_asks_for() -> None:
    asked = json.loads(LOCK_FILE.with_name("package.json").read_bytes())
    assert shipped_lock().wanted == {**asked["dependencies"], **asked["optionalDependencies"]}
    versions = {name: shipped_lock().root(name).version for name in shipped_lock().wanted}
    assert versions == shipped_lock().wanted
    (program,) = (one for _, name, one in shipped_lock().named() if "esbuild" in name and is_for_this_machine(one))
    assert program.optional


def test_npm_itself_installs_what_was_resolved_here(tmp_path: Path) -> None:
    """It reads the lock file, and finds nothing in it that does not meet what package.json asks for."""
    lock = resolve(Registry(), {"fast-csv": "5", "rss-parser": "^3"})
    (tmp_path / "package.json").write_text(json.dumps({"name": "tree", "dependencies": dict(lock.wanted)}))
    (tmp_path / "package-lock.json").write_bytes(lock_bytes(lock, "tree"))
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for place, package in lock.packages.items():
        assert json.loads((tmp_path / place / "package.json").read_text())["version"] == package.version
