"""What is imported of a module of the host, and of a file, by a name that it does not have."""

import pytest

from sidecar.hosts.grants import shipped_names
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.check import check_script
from sidecar.problem import Severity

MAIN = "\nexport const main = () => 1"


def problems(text: str, file: str = "main.js", **others: str) -> list[str]:
    app = AppFiles(file, {name.replace("_", "."): one for name, one in others.items()})
    return [str(one) for one in check_script(text, Kind.APP, file, modules=shipped_names(), app=app)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import { get } from 'cxKV'", "1:10: error: 'cxKV' has no export 'get'; it has incr, keys, ko, kv, usage"),
        ("import { kv, get as x } from 'cxKV'", "1:14: error: 'cxKV' has no export 'get'"),
        ("export { get } from 'cxKV'", "1:10: error: 'cxKV' has no export 'get'"),
        ("import all, { nothing } from 'cxC5Server'", "1:15: error: 'cxC5Server' has no export 'nothing'"),
        ("import { x } from './a'", "1:10: error: './a' has no export 'x'; it has y"),
        ("export { x } from './a'", "1:10: error: './a' has no export 'x'; it has y"),
        ("import { get } from './b'", "1:10: error: './b' has no export 'get'"),
        ("import * as a from './a'\nexport const f = () => a.x()", "2:26: warning: './a' has no export 'x'; it has y"),
        ("import * as kv from 'cxKV'\nexport const f = () => kv.get('a')", "2:27: warning: 'cxKV' has no export 'get'"),
        ("import kv from 'cxKV'\nexport const f = () => kv.get('a')", "2:27: warning: 'cxKV' has no export 'get'"),
    ],
)
def test_what_is_not_there_is_told_where_it_stands(text: str, told: str) -> None:
    found = problems(text + MAIN, a_js="export const y = 1", b_js="export * from 'cxKV'")
    assert len(found) == 1
    assert found[0].startswith(f"main.js:{told}")


@pytest.mark.parametrize(
    "text",
    [
        "import { kv, ko, incr, keys, usage } from 'cxKV'",
        "import kv from 'cxKV'\nexport const f = () => kv.kv.get('a')",
        "import { knex, read } from 'cxUserspace'",
        "import rest, { auth } from 'cxRest'\nexport const f = () => rest.auth('x')",
        "import { incr } from './b'",
        "import * as b from './b'\nexport const f = () => b.incr('n')",
        "import * as kv from 'cxKV'\nexport const f = () => typeof kv.get",
        "import * as kv from 'cxKV'\nexport const f = (kv) => kv.get('a')",
        "import kv from 'cxKV'\nexport const f = () => { const kv = new Map(); return kv.get('a') }",
        "import * as a from './c'\nexport const f = () => a.anything",
    ],
)
def test_what_is_there_is_not_complained_of(text: str) -> None:
    files = {"b_js": "export * from 'cxKV'", "c_js": "module.exports = globalThis.x"}
    assert not problems(text + MAIN, **files)


def test_a_file_that_others_import_is_told_of_as_well() -> None:
    found = check_script(
        "import { a } from './a'" + MAIN,
        Kind.APP,
        "main.js",
        modules=shipped_names(),
        app=AppFiles("main.js", {"a.js": "import { get } from 'cxKV'\nexport const a = get"}),
    )
    assert [(one.file, one.line, one.column, one.severity) for one in found] == [("a.js", 1, 10, Severity.ERROR)]
