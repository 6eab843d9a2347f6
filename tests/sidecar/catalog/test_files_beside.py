"""Files that the scripts of a catalog directory import: which they are, when they are read again, what is kept."""

from pathlib import Path

import pytest

from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.watch import look
from sidecar.catalog.source import Loaded
from sidecar.cli import main
from sidecar.configuration.tree import CatalogSection, DecisionSection
from tests.sidecar.catalog.catalog_desk import MAIN, Catalog
from tests.sidecar.cli.run_desk import CALL

PRICE = "import { tax } from './tax'\nexport const main = (data) => { console.log(tax(5)); return data }\n"
TAX = "export const tax = (n: number): number => n * 2\n"
APP = '[[script]]\nfile = "{0}"\nkind = "app"\n'


class Site:
    """A catalog whose scripts import files, and daemons over it one after the other."""

    def __init__(self, directory: Path) -> None:
        self.catalog = Catalog(directory / "catalog")
        self.kept = directory / "kept"
        self.catalog.script("price.js", PRICE)
        self.catalog.script("tax.ts", TAX)
        self.catalog.assign(APP.format("price.js") + "[[route]]\ncustomer = 'acme'\nscript = 'price'\n")
        self.start()

    def start(self, *, strict: bool = False) -> None:
        section = CatalogSection(directory=self.catalog.directory)
        last_good = None if strict else LastGood(self.kept, self.catalog.directory)
        self.loader = DirectoryLoader(section, DecisionSection(), last_good=last_good)

    def load(self) -> Loaded:
        return self.loader.load()

    def problems(self) -> list[str]:
        return [str(one).replace(f"{self.catalog.directory}/scripts/", "") for one in self.load().problems]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_file_that_a_script_imports_is_a_part_of_it(site: Site) -> None:
    loaded = site.load()
    assert loaded.problems == ()
    snapshot = loaded.require()
    assert list(snapshot.scripts) == ["price"]
    assert list(snapshot.scripts["price"].prepared.files) == ["tax.ts"]
    assert {Path(file).name for file in loaded.sources} == {"price.js", "tax.ts"}


def test_a_change_of_a_file_beside_it_is_a_new_version_of_the_script(site: Site) -> None:
    before = site.load().require()
    assert site.load().require().scripts["price"] is before.scripts["price"]
    site.catalog.script("tax.ts", TAX.replace("2", "3"))
    after = site.load().require()
    assert after.scripts["price"].version != before.scripts["price"].version
    assert after.version != before.version
    # Of what has only types nothing is run.
    site.catalog.script("tax.ts", TAX.replace("2", "3").replace("number =>", "string =>"))
    assert site.load().require().scripts["price"].prepared == after.scripts["price"].prepared


def test_a_file_that_comes_or_goes_is_seen(site: Site) -> None:
    site.load()
    (site.catalog.directory / "scripts" / "tax.ts").unlink()
    site.start(strict=True)
    assert site.problems() == ["price.js:1:21: error: there is no file './tax'"]
    site.catalog.script("tax.js", "exports.tax = (n) => n")
    assert site.problems() == []
    site.catalog.script("tax.mjs", "export const tax = 1")
    assert site.problems()[0] == "price.js:1:21: error: './tax' may be tax.js or tax.mjs: write which"


def test_what_is_wrong_with_a_file_is_told_there(site: Site) -> None:
    site.start(strict=True)
    site.catalog.script("tax.ts", "export const tax = 1\nenum A {}")
    assert site.problems() == [
        "tax.ts:2:1: error: an `enum` makes code of its own: write `const Name = { A: 'a' } as const`"
    ]
    (site.catalog.directory / "scripts" / "tax.ts").write_bytes(b"export const tax = '\xff'")
    assert site.problems() == [
        "price.js:1:21: error: there is no file './tax'",
        "tax.ts:1:21: error: is not UTF-8 text from here on",
    ]


@pytest.mark.parametrize("again", ["reload", "start"])
def test_a_script_is_served_as_it_was_with_the_files_as_they_were(site: Site, again: str) -> None:
    site.catalog.script("other.js", PRICE)
    site.catalog.assign(APP.format("price.js") + APP.format("other.js"))
    good = site.load().require().scripts
    # Of two scripts that import it one goes on with what the file is now, and the other does not.
    site.catalog.script("tax.ts", "export const tax2 = (n: number): number => n * 7\n")
    site.catalog.script("other.js", PRICE.replace("tax", "tax2").replace("./tax2", "./tax"))
    if again == "start":
        site.start()
    loaded = site.load()
    assert [str(one) for one in loaded.broken] == ["scripts/price.js: its last good version serves"]
    snapshot = loaded.snapshot
    assert snapshot is not None
    assert snapshot.scripts["price"].prepared == good["price"].prepared
    assert "n * 7" in snapshot.scripts["other"].prepared.files["tax.ts"].text


def test_no_script_imports_what_is_in_anothers_folder(site: Site) -> None:
    site.start(strict=True)
    site.catalog.script("acme/main.js", "import { key } from '../globex/key'\nexport const main = () => key")
    site.catalog.script("globex/key.js", "export const key = 1")
    site.catalog.script("top.js", "import { key } from './globex/key'\nexport const main = () => key")
    site.catalog.assign(APP.format("acme/main.js") + APP.format("top.js") + APP.format("price.js"))
    assert site.problems() == [
        "acme/main.js:1:21: error: '../globex/key' leads out of the folder of your files",
        "top.js:1:21: error: './globex/key' is in another folder:"
        " a script without an app imports files that stand beside it",
    ]


def test_within_a_folder_of_its_own_a_script_imports_from_all_of_it(site: Site) -> None:
    site.catalog.script("acme/x.js", "")
    for path, text in {
        "acme/routes/main.js": "import { tax } from '../lib/tax'\nexport const main = () => tax",
        "acme/lib/tax.js": "export const tax = 1",
    }.items():
        file = site.catalog.directory / "scripts" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    site.catalog.assign(APP.format("acme/routes/main.js") + APP.format("price.js"))
    assert site.problems() == []


def test_no_link_leads_out(site: Site, tmp_path: Path) -> None:
    site.start(strict=True)
    (tmp_path / "secret.json").write_text('{"a": 1}')
    (site.catalog.directory / "scripts" / "data.json").symlink_to(tmp_path / "secret.json")
    site.catalog.script("price.js", "import data from './data'\nexport const main = () => data")
    told = site.problems()
    assert told[0] == f"data.json: error: leads out of {site.catalog.directory}: a link may only point below it"
    assert told[1] == "price.js:1:18: error: there is no file './data'"


def test_a_script_without_an_entry_may_be_typescript(site: Site) -> None:
    site.catalog.script("plain.ts", "function main(data: { x: 1 }) { return data }")
    site.catalog.script("types.d.ts", "declare const x: 1")
    assert sorted(site.load().require().scripts) == ["plain", "price"]


def test_files_of_all_sorts_are_watched(site: Site) -> None:
    before = look(site.catalog.directory)
    for name in ("a.ts", "b.mjs", "c.json", "d.js"):
        site.catalog.script(name)
        now = look(site.catalog.directory)
        assert now != before
        before = now
    site.catalog.script("notes.txt")
    assert look(site.catalog.directory) == before


def test_a_script_and_one_of_its_files_may_have_the_same_name(site: Site) -> None:
    site.catalog.assign(APP.format("price.js") + 'name = "tax.ts"\n')
    script = site.load().require().scripts["price"]
    assert (script.name, list(script.prepared.files)) == ("tax.ts", ["tax.ts"])


# ---- on the command line ----


def test_check_and_run_take_the_files_beside_a_script(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "call.json").write_text(CALL)
    script = site.catalog.directory / "scripts" / "price.js"
    config = tmp_path / "sidecar.toml"
    config.write_text("")
    assert main(["check", str(script), "--config", str(config)]) == 0
    run = ["run", str(script), "--data", str(tmp_path / "call.json"), "--config", str(config)]
    assert main([*run, "--expect", "10"]) == 0
    site.catalog.script("tax.ts", "export const tax = (n: number): any => {\n  return (n as any).of.nothing\n}\n")
    capsys.readouterr()
    assert main(run) == 4
    out = capsys.readouterr().out
    assert out.startswith(f"{site.catalog.directory}/scripts/tax.ts:2:")
    assert "TypeError: cannot read property 'nothing' of undefined" in out
    assert "return (n as any).of.nothing" in out
    site.catalog.script("tax.ts", "export const tax2 = 1\n")
    assert main(["check", str(script), "--config", str(config)]) == 4
    assert "price.js:1:10: error: './tax' has no export 'tax'; it has tax2" in capsys.readouterr().out


def test_the_engine_finds_what_is_wrong_in_a_file_beside(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.catalog.script("tax.ts", "export const tax = 1\nconst a: any = () => tax.#b\n")
    assert main(["check", str(site.catalog.directory)]) == 4
    assert "tax.ts:1:1: error: SyntaxError: undefined private field '#b'" in capsys.readouterr().out


def test_a_catalog_of_scripts_alone_has_none(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.script("a.js", MAIN)
    assert catalog.load().require().scripts["a"].prepared.files == {}


def test_files_of_one_app_import_each_other_wherever_they_stand(site: Site) -> None:
    entry = "[[script]]\nfile = '{}'\nkind = 'app'\napp = '{}'\n"
    site.catalog.script("top.js", "import { key } from './lib/key'\nexport const main = () => key")
    site.catalog.script("lib/key.ts", "import { own } from '../own'\nexport const key: number = own")
    site.catalog.script("own.js", "export const own = 1")
    site.catalog.script("globex/main.js", "export const main = () => 1")
    site.catalog.script("globex/key.js", "export const key = 2")
    site.catalog.assign(entry.format("top.js", "shop") + entry.format("globex/main.js", "globex"))
    found = site.load().require().scripts["top"]
    assert sorted(found.prepared.files) == ["lib/key.ts", "own.js"]
    site.catalog.script("top.js", "import { key } from './globex/key'\nexport const main = () => key")
    assert "top.js:1:21: error: there is no file './globex/key'" in site.problems()
