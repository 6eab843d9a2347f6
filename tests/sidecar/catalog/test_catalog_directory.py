"""A catalog directory into a snapshot, or into every problem it has."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sidecar.catalog.directory import document as document_module
from sidecar.catalog.directory import loader as directory_module
from sidecar.catalog.directory.entries import read_table
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.source import Loaded
from sidecar.catalog.version import snapshot_version
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.errors import CatalogError
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.problem import Severity
from sidecar.sip_answer import SipAnswer
from sipio.routing import Direction

MAIN = "function main(data) { return data }\n"


class Catalog:
    """A catalog directory under construction."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "scripts").mkdir(parents=True)
        self.assign("")

    def assign(self, text: str) -> None:
        (self.directory / "assignments.toml").write_text(text, encoding="utf-8")

    def script(self, name: str, text: str = MAIN) -> Path:
        file = self.directory / "scripts" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def load(self, script_bytes: int = 1_000_000) -> Loaded:
        catalog = CatalogSection(directory=self.directory, script_bytes=script_bytes)
        return DirectoryLoader(catalog, DecisionSection()).load()

    def problems(self) -> list[str]:
        loaded = self.load()
        return [str(problem).replace(f"{self.directory}/", "") for problem in loaded.problems]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")


def test_a_whole_catalog(catalog: Catalog) -> None:
    catalog.script("dnc.js")
    catalog.script("ivr.js", "async function main() { await 1 }")
    catalog.script("first.js")
    catalog.script("shared/last.js")
    catalog.script("plain.js")
    catalog.assign("""
[[script]]
file = "dnc.js"
id = "do-not-call"
name = "Do not call.js"
uuid = "11111111-2222-3333-4444-555555555555"
app = "lists"
memory_bytes = 50_000_000
environment = { API_BASE = "https://example.net" }
[[script]]
file = "ivr.js"
kind = "app"
[[script]]
file = "first.js"
global_routing_priority = "first"
timeout_ms = 100
timeout_action = "continue"
[[script]]
file = "shared/last.js"
global_routing_priority = "last"
vars = { level = 3 }

[[route]]
customer = "acme"
route = "uk"
script = "do-not-call"
timeout_ms = 200
timeout_action = "504 Too Slow"
error_action = "500 Script Error"
[route.vars]
schedule.week = [1, 2]
until = 2030-01-02T03:04:05Z
day = 2030-01-02

[[route]]
customer = "acme"
script = "plain"
vars = '''
[cli]
range = ["44", "45"]
'''
[[did]]
did = "442071234567"
script = "ivr"
""")
    loaded = catalog.load()
    assert loaded.problems == ()
    snapshot = loaded.require()
    assert sorted(snapshot.scripts) == ["do-not-call", "first", "ivr", "last", "plain"]
    script = snapshot.scripts["do-not-call"]
    assert script.name == "Do not call.js"
    assert script.kind is Kind.SCRIPT
    assert script.text == MAIN
    assert script.uuid == "11111111-2222-3333-4444-555555555555"
    assert (script.app, script.memory_bytes) == ("lists", 50_000_000)
    assert script.environment == {"API_BASE": "https://example.net"}
    assert snapshot.scripts["ivr"].kind is Kind.APP
    route = snapshot.routes["acme", "uk"]
    assert snapshot.scripts[route.script_id] is script
    assert (route.timeout_ms, route.timeout_action) == (200, SipAnswer(504, "Too Slow"))
    assert route.error_action == SipAnswer(500, "Script Error")
    assert route.variables == {
        "schedule": {"week": [1, 2]},
        "until": "2030-01-02T03:04:05+00:00",
        "day": "2030-01-02",
    }
    json.dumps(route.variables)
    every_other = snapshot.routes["acme", ""]
    assert every_other.variables == {"cli": {"range": ["44", "45"]}}
    assert (every_other.timeout_ms, every_other.timeout_action, every_other.error_action) == (
        2_000,
        SipAnswer(503, "Script Timeout"),
        None,
    )
    assert snapshot.dids["442071234567"].script_id == "ivr"
    assert [one.script_id for one in snapshot.first] == ["first"]
    assert (snapshot.first[0].timeout_ms, snapshot.first[0].timeout_action) == (100, None)
    assert [one.script_id for one in snapshot.last] == ["last"]
    assert snapshot.last[0].variables == {"level": 3}
    chain, own = snapshot.chain(Direction.TERMINATION, "acme", "fr", "")
    assert [one.script_id for one in chain] == ["first", "plain", "last"]
    assert own is every_other


def test_versions_are_those_that_they_always_were(catalog: Catalog) -> None:
    catalog.script("dnc.js")
    catalog.script("ivr.js", "async function main() { await 1 }")
    catalog.script("first.js")
    catalog.assign("""
[[script]]
file = "dnc.js"
id = "do-not-call"
name = "Do not call.js"
uuid = "11111111-2222-3333-4444-555555555555"
app = "lists"
memory_bytes = 50_000_000
environment = { API_BASE = "https://example.net", A = "1" }
[[script]]
file = "ivr.js"
kind = "app"
[[script]]
file = "first.js"
global_routing_priority = "first"
timeout_action = "continue"
[[route]]
customer = "acme"
route = "uk"
script = "do-not-call"
timeout_ms = 200
error_action = "500 Script Error"
vars = { until = 2030-01-02, b = [1, 2.5], a = { x = true } }
[[route]]
customer = "acme"
script = "first"
[[did]]
did = "442071234567"
script = "ivr"
[[destination]]
destination = "100"
script = "ivr"
customer = "acme"
vars.x = 1
""")
    snapshot = catalog.load().require()
    versions = {name: script.version for name, script in snapshot.scripts.items()}
    assert versions == {"do-not-call": "dfc372249e3a", "ivr": "926cbe91e0f5", "first": "440e6db54bc0"}
    assert snapshot.version == snapshot_version(snapshot) == "8e31ddc2918b"


def test_a_script_without_an_entry_keeps_its_uuid(catalog: Catalog) -> None:
    catalog.script("plain.js")
    assert catalog.load().require().scripts["plain"].uuid == "60f322d1-19c7-5f27-aaa8-db9df8578835"


def test_the_version_changes_with_what_a_run_depends_on_and_with_nothing_else(catalog: Catalog) -> None:
    def version() -> str:
        return catalog.load().require().scripts["a"].version

    catalog.script("a.js")
    plain = version()
    assert len(plain) == 12
    catalog.assign("# a comment\n[[did]]\ndid = '1'\nscript = 'a'\n")
    assert version() == plain
    versions = {plain}
    for line in ("kind = 'app'", "environment.A = '1'", "memory_bytes = 2_000_000", "app = 'x'", "name = 'b'"):
        catalog.assign(f"[[script]]\nfile = 'a.js'\n{line}\n")
        versions.add(version())
    catalog.assign("")
    catalog.script("a.js", MAIN + "\n")
    versions.add(version())
    assert len(versions) == 7


def test_the_snapshot_s_version_is_of_all_that_it_holds(tmp_path: Path) -> None:
    one, other = Catalog(tmp_path / "one"), Catalog(tmp_path / "other")
    for catalog in (one, other):
        catalog.script("a.js")
        catalog.script("b.js")
    did = "[[did]]\ndid = '{}'\nscript = 'a'\n"
    one.assign(did.format(1) + did.format(2))
    other.assign("# the same in another order\n" + did.format(2) + did.format(1))
    same = one.load().require().version
    assert other.load().require().version == same
    first = "[[script]]\nfile = '{}.js'\nglobal_routing_priority = 'first'\n"
    versions = [same]
    for text in (
        did.format(1),
        did.format(1) + "timeout_ms = 7\n",
        did.format(1) + "error_action = '500 No'\n",
        did.format(1) + "vars.x = 1\n",
        did.format(1).replace("'a'", "'b'"),
        "[[route]]\ncustomer = '1'\nscript = 'a'\n",
        first.format("a"),
        first.format("a").replace("first", "last"),
        first.format("a") + first.format("b"),
        first.format("b") + first.format("a"),
    ):
        one.assign(text)
        versions.append(one.load().require().version)
    one.script("a.js", MAIN + "//")
    versions.append(one.load().require().version)
    assert len(set(versions)) == 12


ROUTE = "[[route]]\ncustomer = 'acme'\nscript = 'a'\n"
COLLISION = "error: vars: the key 'routing' is the call's own"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[[rout]]\n", ["1:1: error: unknown key 'rout'; did you mean 'route'?"]),
        ("[route]\n", ["1:1: error: 'route' is a list of tables: write [[route]]"]),
        (ROUTE + "timeot_ms = 1\n", ["4:1: error: unknown key 'timeot_ms'; did you mean 'timeout_ms'?"]),
        (ROUTE + "timeout_ms = 0\n", ["4:1: error: timeout_ms: expected a whole number >= 1, got 0"]),
        (
            ROUTE + "error_action = '503'\n",
            [
                "4:1: error: error_action: expected 'continue' or a SIP answer from 300 to 699, "
                "such as '503 Script Timeout', got '503'"
            ],
        ),
        ("[[route]]\ncustomer = 'x'\n", ["1:1: error: [[route]] needs the key 'script'"]),
        ("[[did]]\ndid = 44\nscript = 'a'\n", ["2:1: error: did: expected text, got a whole number"]),
        (
            "[[did]]\ndid = '44'\nscript = 'aa'\n",
            ["3:1: error: there is no script 'aa'; did you mean 'a'?"],
        ),
        (ROUTE + ROUTE, ["4:1: error: customer 'acme', every route: assigned on line 1 already"]),
        (
            (ROUTE + "route = 'uk'\n") * 2,
            ["5:1: error: customer 'acme', route 'uk': assigned on line 1 already"],
        ),
        (
            "[[did]]\ndid='4'\nscript='a'\n[[did]]\ndid='4'\nscript='a'\n",
            ["4:1: error: DID '4': assigned on line 1 already"],
        ),
        (
            "[[script]]\nfile = 'a.js'\n[[script]]\nfile = 'b.js'\nid = 'a'\n",
            ["5:1: error: the script id 'a' is taken by line 1 of assignments.toml"],
        ),
        (
            "[[script]]\nfile = 'gone.js'\n" + ROUTE.replace("'a'", "'gone'"),
            ["2:1: error: file: scripts/gone.js cannot be read: No such file or directory"],
        ),
        ("[[script]]\nfile = '../z.js'\n", ["2:1: error: file: '../z.js' leads out of scripts/"]),
        ("[[script]]\nfile = '/etc/z.js'\n", ["2:1: error: file: '/etc/z.js' leads out of scripts/"]),
        (
            "[[script]]\nfile = 'a.js'\nkind = 'driver'\n",
            ["3:1: error: kind: unknown word 'driver'; expected script, app"],
        ),
        (
            "[[script]]\nfile = 'a.js'\nuuid = '1'\n",
            ["3:1: error: uuid: expected a UUID, such as 11111111-2222-3333-4444-555555555555, got '1'"],
        ),
        (
            "[[script]]\nfile = 'a.js'\ntimeout_ms = 3\n",
            ["3:1: warning: timeout_ms has no effect: the script's global_routing_priority is 'disabled'"],
        ),
        (ROUTE + "[route.vars]\nrouting = 1\n", [f"5:1: {COLLISION}"]),
        (ROUTE + "vars = '''\nx = 1\nrouting = 2\n'''\n", [f"6:1: {COLLISION}"]),
        (ROUTE + "vars = '''x = 1\ny = '''\n", ["5:5: error: vars: Invalid value at the end of the text"]),
        (ROUTE + "vars.x = [1, nan]\n", ["4:14: error: vars: nan has no meaning in JSON"]),
        (
            ROUTE + "vars.x = 9007199254740993\n",
            ["4:1: warning: vars: 9007199254740993 is past 2^53: a script sees it as text; write it as text"],
        ),
        (
            ROUTE + "vars." + ".".join("x" * 5_000) + " = 1\n",
            ["4:1: error: vars: more than 64 tables or lists within each other"],
        ),
        (ROUTE + f"vars.x = '{'y' * 262_144}'\n", ["4:1: error: vars: longer than 262_144 bytes as JSON"]),
        ("a = \n", ["1:5: error: Invalid value"]),
    ],
)
def test_the_words_for_what_is_wrong(catalog: Catalog, text: str, problems: list[str]) -> None:
    catalog.script("a.js")
    catalog.script("b.js")
    catalog.assign(text)
    assert catalog.problems() == [f"assignments.toml:{problem}" for problem in problems]
    loaded = catalog.load()
    has_errors = any(problem.severity is Severity.ERROR for problem in loaded.problems)
    assert (loaded.snapshot is None) == has_errors


def test_everything_wrong_is_said_at_once_and_nothing_twice(catalog: Catalog) -> None:
    catalog.script("a.js", "function main() {\n  let x = ;\n}\n")
    catalog.script("b.js", "const nothing = 1;")
    catalog.assign(ROUTE + "timeout_ms = 'x'\n[[did]]\ndid = '1'\nscript = 'b'\n[[did]]\ndid = '2'\nscript = 'q'\n")
    assert catalog.problems() == [
        "assignments.toml:4:1: error: timeout_ms: expected a whole number, got text",
        "assignments.toml:10:1: error: there is no script 'q'",
        "scripts/a.js:2:9: error: syntax error near `=`",
        "scripts/b.js:1:1: error: no entry point: a Script starts in `function main(data)`",
    ]
    with pytest.raises(CatalogError, match=r"assignments.toml:4:1"):
        catalog.load().require()


def test_a_file_and_an_entry_of_another_file_cannot_have_the_same_id(catalog: Catalog) -> None:
    catalog.script("a.js")
    catalog.script("b.js")
    catalog.assign("[[script]]\nfile = 'b.js'\nid = 'a'\n")
    assert catalog.problems() == ["scripts/a.js: error: the script id 'a' is taken by line 1 of assignments.toml"]


def test_one_file_may_be_two_scripts_but_not_with_one_uuid(catalog: Catalog) -> None:
    catalog.script("a.js")
    both = "[[script]]\nfile = 'a.js'\nid = 'x'\n{0}\n[[script]]\nfile = 'a.js'\nid = 'y'\n{0}\n"
    catalog.assign(both.format(""))
    assert sorted(catalog.load().require().scripts) == ["x", "y"]
    identifier = "11111111-2222-3333-4444-555555555555"
    catalog.assign(both.format(f"uuid = '{identifier}'"))
    assert catalog.problems() == [f"assignments.toml:8:1: error: uuid {identifier} is that of script 'x' already"]


def make_oversized(file: Path) -> None:
    file.write_text(MAIN + "/" * 1_000_000)


def make_latin1(file: Path) -> None:
    file.write_bytes(b"// ok\n// \xc3\xa9 caf\xe9\n")


def make_link_outside(file: Path) -> None:
    target = file.parents[2] / "outside.js"
    target.write_text(MAIN)
    file.symlink_to(target)


def make_circle(file: Path) -> None:
    file.symlink_to(file)


def make_directory(file: Path) -> None:
    file.mkdir()


def make_nul(file: Path) -> None:
    file.write_bytes(b"// \x00")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_oversized, "scripts/x.js: error: is longer than 1_000_000 bytes"),
        (make_latin1, "scripts/x.js:2:9: error: is not UTF-8 text from here on"),
        (make_link_outside, "scripts/x.js: error: leads out of {directory}: a link may only point below it"),
        (make_circle, "scripts/x.js: error: cannot be read: "),
        (make_directory, "scripts/x.js: error: cannot be read: Is a directory"),
        (os.mkfifo, "scripts/x.js: error: is not a regular file"),
        (make_nul, "scripts/x.js:1:4: error: contains a NUL character"),
    ],
)
def test_files_that_are_no_scripts(catalog: Catalog, make: Callable[[Path], None], problem: str) -> None:
    make(catalog.directory / "scripts" / "x.js")
    (found,) = catalog.problems()
    assert found.startswith(problem.format(directory=catalog.directory))


def test_a_link_within_the_catalog_is_followed_and_a_hidden_file_is_not_a_script(catalog: Catalog) -> None:
    catalog.script("a.js")
    (catalog.directory / "scripts" / "b.js").symlink_to("a.js")
    catalog.script(".#a.js", "half a fi")
    assert sorted(catalog.load().require().scripts) == ["a", "b"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_a_script(catalog: Catalog) -> None:
    (catalog.directory / "scripts" / "a.js").write_bytes(b"\xef\xbb\xbf// x\r\n" + MAIN.encode())
    assert catalog.load().require().scripts["a"].text == "// x\n" + MAIN


def test_a_file_name_that_is_not_utf8_is_named(catalog: Catalog) -> None:
    Path(os.fsdecode(os.fsencode(catalog.directory / "scripts") + b"/caf\xe9.js")).write_text(MAIN)
    assert catalog.problems() == ["scripts: error: the file name 'caf\\udce9.js' is not UTF-8"]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    loaded = DirectoryLoader(CatalogSection(directory=tmp_path / "none"), DecisionSection()).load()
    assert [problem.message for problem in loaded.problems] == ["cannot be read: No such file or directory"]


def test_an_unchanged_script_is_not_checked_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = check_script

    def spy(text: str, kind: Kind, file: str, **rest: object) -> object:
        checked.append(Path(file).name)
        return real(text, kind, file)

    monkeypatch.setattr(directory_module, "check_script", spy)
    catalog.script("a.js")
    catalog.script("b.js")
    loader = DirectoryLoader(CatalogSection(directory=catalog.directory), DecisionSection())
    loader.load()
    catalog.script("b.js", "broken(")
    assert [problem.message for problem in loader.load().problems] == ["`(` is never closed"]
    assert [problem.message for problem in loader.load().problems] == ["`(` is never closed"]
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\n")
    loader.load()
    assert checked == ["a.js", "b.js", "b.js", "a.js"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@example(tables=[("[[script]]", {"file": "'a'"})])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["[[route]]", "[[did]]", "[[script]]", "[route.vars]", "[x]"]),
            st.dictionaries(
                st.sampled_from(["customer", "route", "did", "script", "file", "vars", "timeout_ms", "zzz", "id"]),
                st.sampled_from(["'a'", "'a.js'", "'b'", "1", "-1", "{}", "'x = 1'", "[]", "2020-01-01", "''"]),
            ),
        ),
        max_size=5,
    )
)
def test_any_assignments_are_a_snapshot_or_problems(catalog: Catalog, tables: list[tuple[str, dict[str, str]]]) -> None:
    catalog.script("a.js")
    catalog.assign(
        "\n".join(f"{header}\n" + "\n".join(f"{k} = {v}" for k, v in keys.items()) for header, keys in tables)
    )
    loaded = catalog.load()
    assert (loaded.snapshot is None) == any(one.severity is Severity.ERROR for one in loaded.problems)
    # Of a script's file as a whole there is no line to name.
    assert all(problem.line > 0 or problem.file.endswith("a.js") for problem in loaded.problems)


def test_unchanged_assignments_are_not_read_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def spy(name: str, table: Mapping[str, object]) -> object:
        read.append(name)
        return read_table(name, table)

    monkeypatch.setattr(document_module, "read_table", spy)
    catalog.script("a.js")
    catalog.script("b.js")
    did = "[[did]]\ndid = '1'\nscript = 'b'\n"
    catalog.assign(ROUTE + "vars.big = 9007199254740993\n" + did)
    loader = DirectoryLoader(CatalogSection(directory=catalog.directory), DecisionSection())
    before = loader.load()
    catalog.script("a.js", MAIN + "//")
    after = loader.load()
    assert read == ["route", "did"]
    assert after.problems == before.problems != ()
    assert after.require().routes is before.require().routes
    assert after.require().scripts["b"] is before.require().scripts["b"]
    # Where a place is asked for that was not known before, the document is looked at for it.
    (catalog.directory / "scripts" / "a.js").unlink()
    assert [problem.line for problem in loader.load().problems] == [3, 4]
    catalog.script("a.js")
    catalog.assign("# moved\n" + did + ROUTE.replace("acme", "beta") + did.replace("1", "2"))
    last = loader.load()
    assert last.problems == ()
    assert read == ["route", "did", "route", "did"]
    assert last.require().dids["1"] is before.require().dids["1"]
    assert list(last.require().routes) == [("beta", "")]


def test_modules_that_a_script_is_granted(catalog: Catalog) -> None:
    catalog.script("a.js")
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\nmodules = ['cxC5Server']\n")
    assert catalog.load().require().scripts["a"].modules == frozenset({"cxC5Server"})
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\nmodules = []\n")
    assert catalog.load().require().scripts["a"].modules == frozenset()
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\nmodules = ['cxC5Server',\n 'cxC5Serve']\n")
    assert catalog.problems() == [
        "assignments.toml:5:2: error: modules: there is no module 'cxC5Serve'; did you mean 'cxC5Server'?"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[route]]\ncustomer = 'c'\nscript = 'a'\nvars = {{ x = {number} }}\n", "4:10: error: vars: a number of"),
        ("[[route]]\ncustomer = 'c'\nscript = 'a'\nvars = 'x = {number}'\n", "4:1: error: vars: a number of"),
        ("[[script]]\nfile = 'a.js'\nmemory_bytes = {number}\n", "3:1: error: memory_bytes: "),
        ("[[script]]\nfile = 'a.js'\nmemory_bytes = 0x1_0000_0000_0000_0000\n", "3:1: error: memory_bytes: "),
        ("[[script]]\nfile = {number}\n", "2:1: error: file: expected text"),
        ("[[script]]\nfile = 'a.js'\nid = {number}\n", "3:1: error: id: expected text"),
        ("[[script]]\nfile = 'a.js'\nid" + ".x" * 20_000 + " = 1\n", "3:1: error: id: expected text"),
    ],
)
def test_no_number_is_too_long_and_no_key_too_deep_to_be_complained_of(
    catalog: Catalog, text: str, problem: str
) -> None:
    catalog.script("a.js")
    catalog.assign(text.format(number="0x" + "f" * 4_000))
    [said] = catalog.problems()
    assert said.startswith(f"assignments.toml:{problem}")
