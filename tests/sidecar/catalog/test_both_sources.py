"""What files of an app are to each other is the same in a directory and in a database."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from sidecar.catalog.database.errors import ScriptRefused
from sidecar.catalog.database.source import DatabaseSource
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.model import Script, Snapshot
from sidecar.configuration.tree import CatalogSection
from sidecar.language.prepared import Prepared
from sidecar.problem import Severity
from tests.sidecar.catalog.database.store_desk import RULES, made

MAIN = "export const main = () => x\n"


class Found(NamedTuple):
    """What became of files: what is wrong with them, or what runs of each."""

    problems: tuple[str, ...]
    prepared: Mapping[str, Prepared]


def of(scripts: Mapping[str, Script]) -> Mapping[str, Prepared]:
    return {key: one.prepared for key, one in sorted(scripts.items())}


def in_directory(home: Path, files: Mapping[str, tuple[str, str]]) -> Found:
    """Of files, each with its app and its text."""
    entries = ""
    for path, (app, text) in files.items():
        file = home / "scripts" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        entries += f"[[script]]\nfile = '{path}'\nid = '{path}'\nkind = 'app'\napp = '{app}'\n"
    (home / "assignments.toml").write_text(entries)
    loader = DirectoryLoader(CatalogSection(directory=home), RULES.defaults, modules=RULES.modules)
    loaded = loader.load()
    wrong = [str(one) for one in loaded.problems if one.severity is Severity.ERROR]
    snapshot: Snapshot | None = loaded.snapshot
    told = sorted({one.replace(f"{home}/scripts/", "") for one in wrong})
    return Found(tuple(told), {} if snapshot is None else of(snapshot.scripts))


async def in_database(home: Path, files: Mapping[str, tuple[str, str]]) -> Found:
    desk = await made(f"sqlite:///{home}/platform.db")
    problems: set[str] = set()
    for app in dict.fromkeys(app for app, _ in files.values()):
        if app:
            await desk.app("operator", app)
        try:
            await desk.files("operator", app, {path: text for path, (its, text) in files.items() if its == app})
        except ScriptRefused as refused:
            problems |= {str(one) for one in refused.problems if one.severity is Severity.ERROR}
    source = DatabaseSource(desk.storage.url, RULES)
    try:
        snapshot = (await asyncio.to_thread(source.load)).require()
    finally:
        source.close()
        await desk.close()
    return Found(tuple(sorted(problems)), {} if problems else of(snapshot.scripts))


def shop(**files: str) -> dict[str, tuple[str, str]]:
    return {path.replace("__", "/").replace("_", "."): ("shop", text) for path, text in files.items()}


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        (shop(a_js="import { x } from './b'\n" + MAIN, b_ts="export const x: number = 1"), ()),
        (shop(a_js="import { x } from './b.js'\n" + MAIN, b_ts="export const x: number = 1"), ()),
        (shop(a_js="import { x } from './b.ts'\n" + MAIN, b_ts="export const x: number = 1"), ()),
        (shop(a_ts="import x from './b'\n" + MAIN, b_json="[1]"), ()),
        (shop(a_js="const x = require('b')\nexports.main = () => x", b_js="module.exports = 1"), ()),
        (shop(a_js="import { x } from './b'\n" + MAIN, b_js="import { main } from './a'\nexport const x = main"), ()),
        (shop(s__a_js="import { x } from './l/b'\n" + MAIN, s__l__b_mjs="export { x } from '../c'",
              s__c_js="export const x = 1"), ()),
        (shop(a_js="import { x } from './b'\n" + MAIN), ("a.js:1:19: error: there is no file './b'",)),
        (shop(a_js="import { x } from './b'\n" + MAIN, b_js="exports.y = 1"),
         ("a.js:1:10: error: './b' has no export 'x'; it has y",)),
        (shop(a_js="import { x } from './b'\n" + MAIN, b_js="export const x = 1", b_ts="export const x = 1"),
         ("a.js:1:19: error: './b' may be b.js or b.ts: write which",)),
        (shop(a_js="import { x } from './s/b'\n" + MAIN, s__b_js="import { y } from '../c'\nexport const x = y",
              c_js="export const y = 1"), ()),
        (shop(s__a_js="import { x } from '../b'\n" + MAIN, b_js="export const x = 1"), ()),
        (shop(s__a_js="import { x } from '../l/b'\n" + MAIN, l__b_js="export const x = 1"), ()),
        (shop(s__a_js="import { x } from '../../b'\n" + MAIN, b_js="export const x = 1"),
         ("s/a.js:1:19: error: '../../b' leads out of the folder of your files",)),
        ({"a.js": ("", "import { x } from './s/b'\n" + MAIN), "s/b.js": ("", "export const x = 1")},
         ("a.js:1:19: error: './s/b' is in another folder: a script without an app imports files that stand beside",)),
        ({"s/a.js": ("", "import { x } from '../b'\n" + MAIN), "b.js": ("", "export const x = 1")},
         ("s/a.js:1:19: error: '../b' leads out of the folder of your files",)),
        ({"a.js": ("shop", "import { x } from './s/b'\n" + MAIN), "s/b.js": ("other", "export const x = 1")},
         ("a.js:1:19: error: there is no file './s/b'",)),
        (shop(a_js="import x from 'https://x.example/y'\n" + MAIN),
         ("a.js:1:15: error: 'https://x.example/y': nothing is loaded from elsewhere; available: cxC5Server, cxKV",)),
        (shop(a_js="import x from './b'\n" + MAIN, b_json="[1 2]"), ("b.json:1:4: error: is not JSON",)),
        (shop(a_js=MAIN, b_ts="enum A { B }"), ("b.ts:1:1: error: an `enum`",)),
        ({"a.js": ("shop", "import { x } from './b'\n" + MAIN), "b.js": ("other", "export const x = 1")},
         ("a.js:1:19: error: there is no file './b'",)),
        ({"a.js": ("", "import { x } from './b'\n" + MAIN), "b.js": ("", "export const x = 1")}, ()),
        ({"a.js": ("shop", "import { x } from './b'\n" + MAIN), "b.js": ("shop", "export const x = 1"),
          "b.ts": ("other", "export const x = 2")}, ()),
    ],
)  # fmt: skip
async def test_they_are_to_each_other(
    tmp_path: Path, files: dict[str, tuple[str, str]], problems: tuple[str, ...]
) -> None:
    one = in_directory(tmp_path, files)
    other = await in_database(tmp_path, files)
    assert len(one.problems) == len(problems), one.problems
    assert all(told.startswith(expected) for told, expected in zip(one.problems, problems, strict=True)), one.problems
    assert one == other
    assert problems or list(one.prepared) == sorted(files)
