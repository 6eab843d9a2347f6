"""``scriptforge run --catalog``: what is deployed runs on a call from a file."""

from pathlib import Path

import pytest

from sidecar.cli import main


@pytest.fixture
def catalog(desk: Path) -> Path:
    (desk / "catalog" / "scripts").mkdir(parents=True)
    (desk / "catalog" / "scripts" / "first.js").write_text("function main(data) { data.routing.first = true }")
    (desk / "catalog" / "scripts" / "cli.js").write_text("function main(data) { data.routing.cli = data.own }")
    (desk / "catalog" / "scripts" / "did.js").write_text("function main() {\n  throw new Error('404 No');\n}")
    (desk / "catalog" / "assignments.toml").write_text(
        "[[script]]\nfile = 'first.js'\nglobal_routing_priority = 'first'\n"
        "[[route]]\ncustomer = 'acme'\nscript = 'cli'\nvars = { own = '7' }\n"
        "[[did]]\ndid = '49'\nscript = 'did'\n"
    )
    return desk


def run_catalog(*options: str) -> int:
    return main(["run", "--catalog", "catalog", "--data", "call.json", "--config", "sidecar.toml", *options])


def test_what_is_deployed_is_run_with_its_vars_and_the_global_scripts(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_catalog("--customer", "acme", "--route", "any") == 0
    output = capsys.readouterr().out
    assert output.startswith("ROUTE to a, then b  (cli.js returned)\n  ~ cli  1 -> 7\n  + first  true\n")
    assert run_catalog("--did", "49") == 3
    assert "REJECT 404 No  (did.js refused the call)" in capsys.readouterr().out
    assert run_catalog("--customer", "another") == 0
    assert "a script returned" in capsys.readouterr().out
    (catalog / "catalog" / "assignments.toml").write_text("")
    assert run_catalog("--customer", "acme") == 0
    assert "no script is assigned" in capsys.readouterr().out


def test_a_catalog_that_cannot_be_used_is_told_as_check_tells_it(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (catalog / "catalog" / "assignments.toml").write_text("[[route]\n")
    assert run_catalog("--customer", "acme") == 2
    assert capsys.readouterr().err.startswith("catalog/assignments.toml:1:")


def test_what_only_the_engine_finds_wrong_is_told_of_a_catalog_too(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (catalog / "catalog" / "scripts" / "cli.js").write_text("function main(data) { let a = 1; let a = 2; }")
    assert run_catalog("--customer", "acme") == 2
    assert "catalog/scripts/cli.js:1:" in (told := capsys.readouterr().err)
    assert "SyntaxError" in told
