"""Which file a name in quotes means, files of the older dialect, and JSON."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.outcome import Location, Threw
from sandbox.program import Form
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles, NoSuchFile, files_from, find_file
from sidecar.language.check import check_script
from sidecar.language.file_graph import CHARACTERS, FILES
from sidecar.language.prepared import prepare
from tests.sidecar.language.app import MODULES, called, driven, prepared, problems

THERE = AppFiles(
    entry="acme/main.js",
    texts=dict.fromkeys(
        ["acme/a.js", "acme/b.ts", "acme/c.mjs", "acme/d.json", "acme/lib/e.js", "acme/two.js", "acme/two.ts",
         "acme/.secret.js", "globex/key.js", "top.js", "acme/types.d.ts"], "",
    ),
    root="acme",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./a", "acme/a.js"),
        ("./a.js", "acme/a.js"),
        ("./a.ts", "acme/a.js"),
        ("./b", "acme/b.ts"),
        ("./b.js", "acme/b.ts"),
        ("./c", "acme/c.mjs"),
        ("./d", "acme/d.json"),
        ("./d.json", "acme/d.json"),
        ("./lib/e", "acme/lib/e.js"),
        ("./lib/../a", "acme/a.js"),
        ("././a", "acme/a.js"),
        ("../acme/a", "acme/a.js"),
        ("./two.ts", "acme/two.ts"),
        ("./two.js", "acme/two.js"),
        ("./main", "acme/main.js"),
    ],
)
def test_a_name_means_a_file(name: str, expected: str) -> None:
    assert find_file(THERE, "acme/main.js", name) == expected


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("./none", "there is no file './none'"),
        ("./d.js", "there is no file './d.js'"),
        ("./two", "'./two' may be two.js or two.ts: write which"),
        ("../globex/key", "leads out of the folder of your files"),
        ("./lib/../../globex/key.js", "leads out of the folder of your files"),
        ("../top", "leads out of the folder of your files"),
        ("../../../etc/passwd", "leads out of the folder of your files"),
        ("/etc/passwd", "is not relative"),
        ("//host/a", "is not relative"),
        ("./.secret", "is hidden or a folder"),
        ("./.secret.js", "is hidden or a folder"),
        (".", "is no name of a file"),
        ("..", "is no name of a file"),
        ("./", "is hidden or a folder"),
        ("./lib/..", "is hidden or a folder"),
        (".\\a", "is no name of a file"),
        ("./a\x00", "is no name of a file"),
        ("./a?v=1", "is no name of a file"),
        ("./a#b", "is no name of a file"),
        ("./%61", "is no name of a file"),
        ("./" + "a" * 300, "is no name of a file"),
        ("./types.d.ts", "has only types"),
    ],
)
def test_a_name_that_means_no_file_says_why(name: str, why: str) -> None:
    with pytest.raises(NoSuchFile, match=re.escape(why)):
        find_file(THERE, "acme/main.js", name)


@pytest.mark.parametrize(
    "importing",
    [".x/a.js", "x/.a.js", "/x/a.js", "x//a.js", "x.js/a.js", "x\\a.js", "a\n.js", "../a.js", "ä" * 101 + ".js"],
)
def test_from_where_no_file_of_a_folder_can_stand_nothing_is_imported(importing: str) -> None:
    """Neither an export nor whoever pulls it could give it its name."""
    app = AppFiles(importing, {"b.js": "", f"{importing.rpartition('/')[0]}/b.js": ""})
    with pytest.raises(NoSuchFile):
        find_file(app, importing, "./b")
    with pytest.raises(NoSuchFile):
        find_file(app, importing, "../b")


@pytest.mark.parametrize("name", ["./x.js/b", "./" + "ä" * 101])
def test_what_could_not_stand_in_a_folder_is_not_imported(name: str) -> None:
    app = AppFiles("main.js", {f"{name[2:]}.js": ""})
    with pytest.raises(NoSuchFile, match="files that are imported stand in folders"):
        find_file(app, "main.js", name)


def test_a_script_without_an_app_in_a_hidden_folder_imports_nothing_of_it() -> None:
    app = files_from(".x/a.js", {".x/b.js": ""}, "")
    with pytest.raises(NoSuchFile, match=re.escape("cannot be imported from '.x/a.js'")):
        find_file(app, ".x/a.js", "./b")


@given(st.text(alphabet="./\\ab%\x00é~ ", max_size=20).map("./".__add__) | st.text(max_size=20))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    class Everything(dict[str, str]):
        def __contains__(self, path: object) -> bool:
            assert isinstance(path, str)
            assert path.startswith("acme/")
            assert ".." not in path.split("/")
            return True

    try:
        found = find_file(AppFiles("acme/main.js", Everything(), "acme"), "acme/main.js", name)
    except NoSuchFile:
        return
    assert found.startswith("acme/")


def test_of_a_script_at_the_top_only_what_stands_beside_it_is_imported() -> None:
    app = AppFiles("main.js", {"a.js": "", "acme/a.js": ""}, nested=False)
    assert find_file(app, "main.js", "./a") == "a.js"
    with pytest.raises(NoSuchFile, match="in another folder"):
        find_file(app, "main.js", "./acme/a")


# ---- the older dialect ----


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"main.js": "const b = require('./b'); const main = () => b.x", "b.js": "exports.x = 1"}, 1),
        ({"main.js": "const b = require('b'); const main = () => b.x", "b.js": "module.exports = { x: 2 }"}, 2),
        ({"main.js": "const main = () => require('./b')(1)", "b.js": "module.exports = (n) => n + 2"}, 3),
        ({"main.js": "const { x } = require('./b'); function main() { return x }",
          "b.js": "module.export = { x: 4 }"}, 4),
        ({"main.js": "module.exports = { main: () => require('./b').default }", "b.js": "export default 5"}, 5),
        ({"main.js": "module.exports = () => require('./b').x", "b.js": "export const x = 6"}, 6),
        ({"main.js": "exports.main = function () { return this.n }; exports.n = 7"}, 7),
        ({"main.js": "exports.default = () => 8"}, 8),
        ({"main.js": "function main() { return 9 }\nmodule.exports = { other: 1 }"}, 9),
        ({"main.js": "const main = () => require('m').a + require('./b')",
          "b.js": "module.exports = require('m').b"}, 3),
        ({"main.js": "const main = () => require('./b').y", "b.js": "var x = 10\nthis.y = x; exports.z = 0"}, 10),
        ({"main.js": "const main = () => [require('./b') === require('./b')]", "b.js": "exports.x = {}"}, [True]),
        ({"main.js": "const main = () => require('./b').x", "b.js": "module.exports.x = typeof require('./d').n",
          "d.json": '{"n": 5}'}, "number"),
        # of an ES module
        ({"main.js": "import b from './b'; export const main = () => b.x", "b.js": "exports.x = 11"}, 11),
        ({"main.js": "import { x } from './b'; export const main = () => x", "b.js": "exports.x = 12"}, 12),
        ({"main.js": "import b, { x as y } from './b'; export const main = () => [b.x, y]",
          "b.js": "const x = 13; module.exports = { x, z() {} }"}, [13, 13]),
        ({"main.js": "import * as b from './b'; export const main = () => Object.keys(b).sort()",
          "b.js": "module.exports = { x: 1, y: 2 }"}, ["default", "x", "y"]),
        ({"main.js": "import b from './b'; export const main = () => b()",
          "b.js": "exports.__esModule = true; exports.default = () => 14"}, 14),
        ({"main.js": "import './b'; export const main = () => made", "b.js": "globalThis.made = 15"}, 15),
    ],
)  # fmt: skip
def test_files_of_the_older_dialect(files: dict[str, str], expected: object) -> None:
    assert [one for one in problems(files) if "`main`" not in one] == []
    assert called(files) == expected


def test_two_files_that_require_each_other_see_what_there_is_until_then() -> None:
    files = {
        "main.js": (
            "exports.early = 1; const b = require('./b'); exports.late = 2; exports.main = () => [b.early, b.late()]"
        ),
        "b.js": "const main = require('./main'); exports.early = main.early; exports.late = () => main.late",
    }
    assert problems(files) == []
    assert called(files) == [1, 2]


def test_a_file_that_throws_is_tried_again_when_it_is_required_again() -> None:
    files = {
        "main.js": "function main() { try { require('./b') } catch { return require('./b') } }",
        "b.js": "globalThis.n = (globalThis.n ?? 0) + 1; if (n < 2) throw new Error('x'); module.exports = n",
    }
    assert called(files) == 2


def test_an_error_in_a_required_file_has_its_place_there() -> None:
    files = {
        "main.js": "const b = require('./b')\nfunction main() { return b.x() }",
        "b.js": "\nexports.x = () => none.y",
    }
    error = called(files)
    assert isinstance(error, Threw)
    assert error.location == Location(2, 19, "b.js")
    assert error.stack == ("<anonymous> (b.js:2:19)", "main (author.js:2:28)")
    assert str(error).startswith("b.js:2:19: ReferenceError")


def test_its_own_names_are_not_those_of_another_file() -> None:
    files = {
        "main.js": "var x = 1; const require_ = require; const main = () => [require('./b').x(), x]",
        "b.js": "var x = 2; const module_ = module; exports.x = () => x",
    }
    assert prepared(files).form is Form.COMMON
    assert called({**files, "main.js": files["main.js"].replace("const require_ = require; ", "")}) == [2, 1]
    # A text may declare what it is given.
    assert (
        called({"main.js": "const exports = 1; const main = () => require('./b')", "b.js": "module.exports = 3"}) == 3
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"main.js": "import { y } from './b'; export const main = () => y", "b.js": "exports.x = 1"},
         ["main.js:1:10 './b' has no export 'y'; it has x"]),
        ({"main.js": "import b from './b'; export const main = () => b", "b.js": "export const x = 1"},
         ["main.js:1:8 './b' has no default export: write `import { name } from './b'`"]),
        ({"main.js": "import { n } from './d.json'; export const main = () => n", "d.json": '{"n": 1}'},
         ["main.js:1:10 './d.json' is JSON: write `import data from './d.json'`"]),
        ({"main.js": "import b from './b'; const c = require('./b'); export const main = () => [b, c]",
          "b.js": "export default 1"},
         ["main.js:1:40 `require` of a file in an ES module: write `import ... from './b'`"]),
        ({"main.js": "exports.x = 1; exports.main = () => require('./b').y",
          "b.js": "import a from './main'; export const y = a"},
         ["main.js:1:45 `require` of './b', an ES module that needs this file itself: write `import`"]),
        ({"main.js": "import b from 'b'; export const main = () => b", "b.js": "export default 1"},
         ["main.js:1:15 there is no module 'b': write './b' for b.js"]),
        ({"main.js": "import './b'; export const main = () => 1", "b.js": "function ( {"},
         ["b.js:1:12 `{` is never closed"]),
        ({"main.js": "import './b'; export const main = () => 1",
          "b.js": "import './c'\nawait 1\nvar f = () => { await 1 }"},
         ["b.js:1:8 there is no file './c'", "b.js:3:17 `await` in a function that is not `async`"]),
        ({"main.js": "import d from './d.json'; export const main = () => d", "d.json": '{"a": 1,\n "b": NaN}'},
         ["d.json:2:7 is not JSON: NaN"]),
        ({"main.js": "import d from './d.json'; export const main = () => d", "d.json": "[1,\n 2"},
         ["d.json:2:3 is not JSON: Expecting ',' delimiter"]),
        ({"main.js": "import d from './d.json'; export const main = () => d", "d.json": "[" * 100_000},
         ["d.json:1:1 is nested too deep"]),
        ({"main.js": "import './b'; export const main = () => 1", "b.js": "a\x00b"},
         ["b.js:1:2 contains a NUL character"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told_in_that_file(files: dict[str, str], expected: list[str]) -> None:
    assert problems(files) == expected


def test_what_is_in_another_file_is_checked_as_in_its_own() -> None:
    files = {"main.js": "import './b'; export const main = () => 1", "b.js": "export const x = () => new Blob([])"}
    text = files["main.js"]
    app = AppFiles("main.js", {"b.js": files["b.js"]}, folder="scripts")
    (problem,) = check_script(text, Kind.APP, "scripts/main.js", modules=MODULES, app=app)
    assert str(problem).startswith("scripts/b.js:1:28: warning: `Blob` is not available")


def test_a_script_has_no_files_beside_it() -> None:
    files = {"main.js": "const b = require('./b'); function main() { return b }", "b.js": "module.exports = 1"}
    assert problems(files, Kind.SCRIPT) == ["main.js:1:11 `require` in a Script, which has no modules"]
    assert prepared(files, Kind.SCRIPT).files == {}


def test_a_mjs_file_is_an_es_module_whatever_is_in_it() -> None:
    assert prepared({"main.mjs": "function main() {}"}).form is Form.MODULE
    assert called({"main.mjs": "function main() { return typeof this }"}) == "undefined"


# ---- JSON ----


def test_json_is_a_value_that_every_run_has_anew() -> None:
    files = {
        "main.js": "import d from './d.json' with { type: 'json' }\nexport const main = () => { d.n++; return d }",
        "d.json": '{"n": 1, "__proto__": {"x": 1}}',
    }
    assert problems(files) == []
    one = driven(files)
    assert [one.run(), one.run()] == [{"n": 2, "__proto__": {"x": 1}}] * 2


def test_json_is_the_same_object_for_all_files() -> None:
    files = {
        "main.js": "import d from './d.json'\nimport { e } from './b'\nexport const main = () => d === e",
        "b.js": "export { default as e } from './d.json'",
        "d.json": "[1]",
    }
    assert problems(files) == []
    assert called(files) is True


def test_json_is_no_script() -> None:
    files = {"main.json": '{"n": 1}'}
    assert problems(files, Kind.SCRIPT) == ["main.json:1:1 is data: a script is JavaScript or TypeScript"]
    assert problems(files) == [], "which other files import"
    assert problems({"main.json": "[1 2]"})[-1].startswith("main.json:1:4 is not JSON")
    found = prepared(files)
    assert (found.entries, found.takes_calls) == ((), False)


@pytest.mark.parametrize(
    ("files", "takes_calls"),
    [
        ({"main.ts": "export const rates: number[] = [1]"}, False),
        ({"main.ts": "export interface Row { a: 1 }"}, False),
        ({"main.js": "exports.a = 1"}, False),
        ({"main.js": "export * from './b'", "b.js": "export const a = 1"}, False),
        ({"main.js": "export * from './b'", "b.js": "export const main = () => 1"}, True),
        ({"main.js": "export const search = () => 1"}, False),
        ({"main.js": "function search() {}"}, False),
        ({"main.js": "export default () => 1"}, True),
        ({"main.js": "module.exports = require('./b')", "b.js": ""}, True),
        ({"main.js": "exit(1)"}, True),
    ],
)
def test_a_file_without_main_is_for_other_files(files: dict[str, str], takes_calls: bool) -> None:
    assert prepared(files).takes_calls is takes_calls
    told = [one for one in problems(files) if "which calls need" in one]
    assert len(told) == (not takes_calls)


# ---- bounds ----


def test_as_many_files_as_there_may_be_are_loaded_one_within_the_other() -> None:
    def chain(count: int) -> dict[str, str]:
        files = {
            f"f{n}.js": f"import {{ x as y }} from './f{n + 1}'\nexport const x = y + 1" for n in range(1, count - 1)
        }
        last = {f"f{count - 1}.js": "export const x = 0"}
        return {"main.js": "import { x } from './f1'\nexport const main = () => x", **files, **last}

    assert called(chain(FILES)) == FILES - 2
    (problem,) = problems(chain(FILES + 1))
    assert problem == f"f{FILES - 1}.js:1:24 more than {FILES} files are imported"


def test_files_are_no_longer_than_they_may_be_together() -> None:
    files = {"main.js": "import './b'; export const main = () => 1", "b.js": "/" * (CHARACTERS + 1)}
    assert problems(files) == [f"main.js:1:8 the files imported have more than {CHARACTERS:_} characters"]


def test_a_name_that_a_file_has_by_chance_is_no_files() -> None:
    files = {
        "main.js": "import c from './constructor'; export const main = () => c",
        "constructor.js": "export default 1",
    }
    assert called(files) == 1
    error = called({"main.js": "import './b'\nexport const main = () => require('constructor')", "b.js": ""})
    assert error.message == "require('constructor'): there is no such module"


def test_what_prepares_is_no_other_where_files_are_told_in_another_order() -> None:
    texts = {"b.js": "export const x = 1", "c.js": "export const y = 2"}
    text = "import { x } from './b'\nimport { y } from './c'\nexport const main = () => x + y"
    assert prepare(text, Kind.APP, AppFiles("main.js", texts)) == prepare(
        text, Kind.APP, AppFiles("main.js", dict(reversed(texts.items())))
    )
