"""The commands of an operator who has a catalog in a database."""

import contextlib
import io
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from sidecar.catalog.directory.script_files import is_script_name
from sidecar.cli import main
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.schema import NUMBER
from tests.database_fixtures import database_address, servers

__all__ = ["database_address", "servers"]

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCRIPTFORGE_CATALOG__URL", f"sqlite:///{tmp_path / 'platform.db'}")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path / "platform.db"


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_catalog_goes_into_a_database_and_out_of_it(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "db", "upgrade") == (0, f"sqlite:///{database}: schema none -> {NUMBER}\n", "")
    assert told(capsys, "db", "upgrade")[1] == f"sqlite:///{database}: has the schema {NUMBER} already\n"
    status, out, err = told(capsys, "import", EXAMPLES)
    assert (status, err) == (1, "nothing is changed: --yes does it\n")
    assert "+ script 'menu'\n" in out
    assert "+ assignment route acme do-not-call\n" in out
    assert told(capsys, "import", EXAMPLES, "--yes")[1].endswith("12 changes are made\n")
    assert told(capsys, "import", EXAMPLES) == (0, f"sqlite:///{database}: has all of {EXAMPLES}\n", "")
    out_directory = database.parent / "out"
    status, out, _ = told(capsys, "export", out_directory)
    assert (status, out_directory.exists()) == (1, False)
    assert told(capsys, "export", out_directory, "--yes")[0] == 0
    assert told(capsys, "export", out_directory)[1] == f"{out_directory}: is as the database is\n"
    assert not list((out_directory / "scripts").glob("*.test.js"))
    for script in (file for file in (EXAMPLES / "scripts").glob("*.js") if is_script_name(file.name)):
        assert (out_directory / "scripts" / script.name).read_bytes() == script.read_bytes()
    (out_directory / "scripts" / "menu.js").write_text("async function main() { return 1 }\n")
    status, out, _ = told(capsys, "export", out_directory)
    assert (status, out) == (1, "~ script 'menu': text\n")
    (out_directory / "scripts" / "too-slow.js").write_text("function main( {\n")
    status, _, err = told(capsys, "export", out_directory, "--yes")
    assert status == 1
    assert "too-slow.js:1:16: error" in err
    assert told(capsys, "import", out_directory, "--yes")[0] == 1


def test_a_variable_that_nobody_tells_the_value_of_is_no_change(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "db", "upgrade")
    directory = database.parent / "catalog"
    (directory / "scripts").mkdir(parents=True)
    entry = '[[variable]]\napp = "shop"\nname = "KEY"\nprotected = true\n'
    (directory / "assignments.toml").write_text(f'[[app]]\nid = "shop"\n\n{entry}')
    note = "variable shop KEY has no value there or here, and is not made: `scriptforge env set shop KEY --protected`"
    status, out, _ = told(capsys, "import", directory, "--yes")
    assert (status, out.endswith("1 changes are made\n"), note in out) == (0, True, True)
    status, out, _ = told(capsys, "import", directory)
    assert (status, out) == (0, f"{note} makes it\nsqlite:///{database}: has all of {directory}\n")


@pytest.mark.usefixtures("database")
def test_who_is_asked_may_say_no(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told(capsys, "db", "upgrade")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, status in (("n\n", 1), ("", 1), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert told(capsys, "import", EXAMPLES)[0] == status


def test_a_backup_is_the_database(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "db", "upgrade")
    told(capsys, "import", EXAMPLES, "--yes")
    backup = database.parent / "backup.db"
    assert told(capsys, "db", "backup", backup)[0] == 0
    assert backup.stat().st_mode & 0o077 == 0
    assert told(capsys, "db", "backup", backup) == (1, "", f"scriptforge: {backup}: is there already\n")
    assert told(capsys, "db", "backup", database.parent / "none" / "x")[2].endswith("No such file or directory\n")
    database.unlink()
    backup.rename(database)
    assert told(capsys, "import", EXAMPLES)[1].endswith(f"has all of {EXAMPLES}\n")
    status, out, _ = told(capsys, "db", "check")
    assert status == 0
    assert "        6 scripts\n" in out
    assert out.endswith("sound\n")


def test_a_database_of_another_release_is_backed_up_before_it_is_upgraded(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "db", "upgrade")
    for number in (NUMBER - 1, NUMBER + 90):
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("update schema_state set number = ?, serves_from = ?", (number, number))
            connection.commit()
        assert told(capsys, "db", "check")[0] != 0
        backup = database.parent / f"{number}.db"
        assert told(capsys, "db", "backup", backup)[0] == 0
        with contextlib.closing(sqlite3.connect(backup)) as connection:
            assert connection.execute("select number from schema_state").fetchone() == (number,)
    database.unlink()
    database.touch()
    assert "has no tables of ScriptForge yet" in told(capsys, "db", "backup", database.parent / "none.db")[2]


@pytest.mark.timeout(240)
def test_every_database_is_upgraded_checked_and_backed_up(
    database_address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("--url", database_address)
    shown = str(DatabaseUrl.parse(database_address))
    assert told(capsys, "db", "upgrade", *named) == (0, f"{shown}: schema none -> {NUMBER}\n", "")
    assert told(capsys, "import", EXAMPLES, "--yes", *named)[0] == 0
    status, out, err = told(capsys, "db", "check", *named)
    assert (status, err) == (0, "")
    assert out.endswith("sound\n")
    assert told(capsys, "db", "backup", tmp_path / "backup", *named)[0] == 0
    assert (tmp_path / "backup").stat().st_size > 10_000
    assert told(capsys, "db", "backup", tmp_path / "backup", *named)[0] == 1


def test_a_token_goes_to_standard_output_alone(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "db", "upgrade")
    status, out, err = told(capsys, "tokens", "create", "ci", "--database", "--scopes", "read,write", "--days", "90")
    assert status == 0
    assert out.startswith("sf_")
    assert len(out) == 47
    assert err == "token 1 of operator: read write; it is not shown again\n"
    assert told(capsys, "tokens", "create", "x", "--database", "--scopes", "all")[2].startswith(
        "scriptforge: scopes: expected some of"
    )
    assert told(capsys, "tokens", "create", "x", "--database", "--tenant", "none") == (
        1,
        "",
        "scriptforge: there is no tenant 'none'\n",
    )
    assert out.strip().encode() not in database.read_bytes()


def test_the_audit_is_verified(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "db", "upgrade")
    told(capsys, "import", EXAMPLES, "--yes")
    status, out, _ = told(capsys, "audit", "verify")
    assert status == 0
    known = out.split()[-1]
    assert known.startswith("13:")
    told(capsys, "tokens", "create", "x", "--database")
    assert told(capsys, "audit", "verify", "--known", known)[0] == 0
    assert told(capsys, "audit", "verify", "--known", f"13:{'0' * 64}")[0] == 4
    assert told(capsys, "audit", "verify", "--known", "x")[0] == 1
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE audit SET who = 'nobody' WHERE number = 3"))
    engine.dispose()
    status, out, _ = told(capsys, "audit", "verify")
    assert (status, out) == (4, "2 entries are as they were written; entry 3: is not what was written\n")


def test_files_that_scripts_import_go_along(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = database.parent / "home"
    files = {
        "assignments.toml": '[[script]]\nfile = "price.js"\nkind = "app"\napp = "shop"\n'
        '[[script]]\nfile = "sub/other.js"\nkind = "app"\napp = "other"\n'
        '[[script]]\nfile = "sub/third.js"\nkind = "app"\napp = "third"\n'
        '[[route]]\ncustomer = "acme"\nscript = "price"\n',
        "scripts/price.js": "import { tax } from './tax'\nexport const main = () => tax\n",
        "scripts/tax.ts": "import rates from './rates.json'\nexport const tax: number = rates[0]\n",
        "scripts/rates.json": "[7]\n",
        "scripts/sub/other.js": "import { a } from './lib/a'\nexport const main = () => a\n",
        "scripts/sub/third.js": "import { a } from './lib/a'\nexport const main = () => a\n",
        "scripts/sub/lib/a.js": "export const a = 1\n",
    }
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    told(capsys, "db", "upgrade")
    status, out, err = told(capsys, "import", home, "--yes")
    assert (status, err) == (0, ""), out
    scripts = [line for line in out.splitlines() if "+ script" in line]
    assert sorted(scripts) == [
        "+ script 'other'", "+ script 'price'", "+ script 'rates.json'", "+ script 'sub-lib-a.js'", "+ script 'tax.ts'",
        "+ script 'third'", "+ script 'third-sub-lib-a.js'",
    ]  # fmt: skip
    assert told(capsys, "import", home)[1] == f"sqlite:///{database}: has all of {home}\n"
    status, out, _ = told(capsys, "check")
    assert status == 0
    assert "which calls need" not in out, "all that have no `main` are imported"
    out_directory = database.parent / "out"
    assert told(capsys, "export", out_directory, "--yes")[0] == 0
    there = sorted(str(one.relative_to(out_directory)) for one in out_directory.rglob("*") if one.is_file())
    assert there == [
        "assignments.toml", "scripts/price.js", "scripts/rates.json", "scripts/sub/lib/a.js", "scripts/sub/other.js",
        "scripts/tax.ts", "scripts/third/sub/lib/a.js", "scripts/third/sub/third.js",
    ]  # fmt: skip
    assert told(capsys, "check", out_directory)[0] == 0
    assert told(capsys, "export", out_directory)[1] == f"{out_directory}: is as the database is\n"
    # Saved together, what imports each other goes in; what would break another does not.
    (home / "scripts/tax.ts").write_text("export const vat: number = 7\n")
    status, _, err = told(capsys, "import", home, "--yes")
    assert status == 1
    assert "price.js:1:10: error: './tax' has no export 'tax'; it has vat" in err
    (home / "scripts/price.js").write_text("import { vat } from './tax'\nexport const main = () => vat\n")
    assert told(capsys, "import", home, "--yes", "--delete")[0] == 0
    assert "- script 'rates.json'" not in told(capsys, "import", home, "--delete")[1]


def test_check_looks_at_the_database_that_serve_would(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capsys, "check")
    assert status == 4
    assert "there is no database; `scriptforge db upgrade` makes one" in out
    told(capsys, "db", "upgrade")
    told(capsys, "import", EXAMPLES, "--yes")
    assert told(capsys, "check")[:2] == (0, "6 scripts: no problems\n")
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE versions SET text = 'function main() { await 1 }' WHERE script_id = 'menu'"))
        # As one that was saved over the API, whose id says nothing of its name.
        connection.execute(text("UPDATE scripts SET name = 'x.js', error_action = '?' WHERE id = 'header-add'"))
    engine.dispose()
    status, out, _ = told(capsys, "check")
    assert status == 4
    assert "script menu.js:1:19: error: `await` in a function that is not `async`" in out
    assert "script x.js (header-add): error: error_action: expected" in out


def test_without_a_database_the_commands_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("db", "check"), ("export", "x"), ("tokens", "create", "x", "--database"), ("audit", "verify")):
        assert (
            told(capsys, *words)[2]
            == "scriptforge: there is no database: set catalog.url or storage.url, or name one by --url\n"
        )
    status, _, err = told(capsys, "db", "check", "--url", "mysql://u:s3cret@h")
    assert status == 1
    assert "s3cret" not in err


def test_without_the_extra_a_directory_serves_and_a_database_says_what_to_install(tmp_path: Path) -> None:
    """As in an environment in which the packages cannot be found."""
    program = """
import importlib.machinery, sys
hidden = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg", "asyncmy", "greenlet"}
found = importlib.machinery.PathFinder.find_spec
def find(name, *more):
    return None if name.partition(".")[0] in hidden else found(name, *more)
importlib.machinery.PathFinder.find_spec = find
from sidecar.cli import main
sys.exit(main(sys.argv[1:]))
"""

    def run(*words: str, **environment: str) -> Any:
        command = [sys.executable, "-c", program, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)

    assert run("check", str(EXAMPLES)).stdout == "6 scripts: no problems\n"
    needs = "pip install 'scriptforge-sidecar[platform]'"
    for words in (("check",), ("config",), ("serve",), ("db", "upgrade"), ("tokens", "create", "x", "--database")):
        done = run(*words, SCRIPTFORGE_CATALOG__URL=f"sqlite:///{tmp_path}/x.db")
        assert done.returncode != 0
        assert needs in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    done = run("db", "upgrade", "--url", f"sqlite:///{tmp_path}/x.db")
    assert needs in done.stderr
    assert "Traceback" not in done.stderr
