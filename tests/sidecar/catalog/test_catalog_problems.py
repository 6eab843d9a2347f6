"""What is wrong with a catalog directory is said in words that name where it stands."""

import pytest

from sidecar.errors import CatalogError
from sidecar.problem import Severity
from tests.sidecar.catalog.catalog_desk import ROUTE, Catalog

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
            "[[script]]\nfile = 'a.js'\nkind = 'drive'\n",
            ["3:1: error: kind: unknown word 'drive'; expected script, app, driver, worker"],
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
    assert catalog.problems() == [
        f"assignments.toml:8:1: error: uuid {identifier} is that of script 'a.js' (x) already"
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
