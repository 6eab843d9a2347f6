"""The house's floors: which package may import which, and within a package which folder. Imports for types count."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "sandbox": {"sipio", "sidecar", "tests", "bench", "examples"},
    "sipio": {"sandbox", "sidecar", "tests", "bench", "examples"},
    "sidecar": {"tests", "bench", "examples"},
}
ENGINE = {"quickjs", "_quickjs", "sandbox._engine"}
ENGINE_USER = Path("sandbox/engine.py")

GROUND = "(files)"
"""Stands for the files of a package that are in no folder."""
FLOORS: dict[str, list[set[str]]] = {
    "sipio": [
        {GROUND},
        {"sip", "rpc"},
        {"media", "kamailio"},
        {"freeswitch", "sip_driver"},
    ],
    "sidecar": [
        {GROUND},
        {"configuration"},
        {"logs"},
        {"npm"},
        {"language", "storage", "shared", "schedules"},
        {"nodes"},
        {"catalog", "queue"},
        {"hosts"},
        {"runs"},
        {"operations", "drivers"},
        {"decisions", "calls", "http", "jobs"},
        {"switches"},
        {"daemon.py", "platform.py"},
        {"phone", "bench"},
        {"cli"},
    ],
}
"""From the lowest. A folder imports from folders on floors below its own, and from none beside it."""


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "."


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, package
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sources(package)
        for line, name in imported(file)
        if name.partition(".")[0] in FORBIDDEN[package]
    ]
    assert wrong == []


def floor_of(package: str, name: str) -> tuple[int, str]:
    """The floor and the folder of a module of the package, ``sidecar.runs.runner`` or a file's own path in dots."""
    first = name.split(".")[1] if "." in name else GROUND
    for floor, folders in enumerate(FLOORS[package]):
        for folder in (first, f"{first}.py"):
            if folder in folders:
                return floor, folder
    assert not (ROOT / package / first).is_dir(), f"{package}/{first} stands on no floor"
    return 0, GROUND


@pytest.mark.parametrize("package", FLOORS)
def test_a_folder_imports_only_from_floors_below_its_own(package: str) -> None:
    wrong = []
    for file in sources(package):
        here, folder = floor_of(package, ".".join(file.relative_to(ROOT).with_suffix("").parts))
        for line, name in imported(file):
            if name.partition(".")[0] != package:
                continue
            there, other = floor_of(package, name)
            if other != folder and there >= here:
                wrong.append(f"{file.relative_to(ROOT)}:{line}: {name}")
    assert wrong == []


def test_a_new_folder_is_given_a_floor() -> None:
    for package, floors in FLOORS.items():
        folders = {found.name for found in (ROOT / package).iterdir() if (found / "__init__.py").exists()}
        assert folders == set().union(*floors) - {GROUND, "daemon.py", "platform.py"}, package


def test_a_catalogs_rules_know_neither_files_nor_toml_nor_sql() -> None:
    """What compiles entries serves every source of them; a directory and a database are two."""
    reading = {"os", "pathlib", "tomllib", "sidecar.catalog.directory", "sidecar.configuration.toml_source"}
    reading |= {"sqlalchemy", "sidecar.storage", "sidecar.catalog.database", "sidecar.catalog.exchange"}
    wrong = [
        f"{file.name}:{line}: {name}"
        for file in sorted((ROOT / "sidecar" / "catalog").glob("*.py"))
        for line, name in imported(file)
        if any(f"{name}.".startswith(f"{one}.") for one in reading)
    ]
    assert wrong == []


def test_sql_is_in_few_rooms() -> None:
    """So that what a tenant may ask is decided in one place."""
    users = {
        file.relative_to(ROOT).parent
        for package in FORBIDDEN
        for file in sources(package)
        if any(f"{name}.".startswith(("sqlalchemy.", "alembic.", "sidecar.storage.")) for _, name in imported(file))
    }
    rooms = {
        "catalog/database",
        "catalog/exchange",
        "cli",
        "hosts/key_values",
        "hosts/rows",
        "http",
        "nodes",
        "queue",
        "storage",
        "storage/migrations/versions",
    }
    # The platform's own file makes the one storage that all of it has.
    assert users == {Path("sidecar"), *(Path("sidecar", room) for room in rooms)}


def test_who_answers_over_http_writes_no_sql() -> None:
    """Every question is by tenant, which the catalog sees to."""
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in [*(ROOT / "sidecar" / "http").rglob("*.py"), ROOT / "sidecar" / "platform.py"]
        for line, name in imported(file)
        if name.partition(".")[0] in {"sqlalchemy", "alembic"} or name.startswith("sidecar.storage.tables")
    ]
    assert wrong == []


def test_one_module_imports_the_engine() -> None:
    users = {
        file.relative_to(ROOT)
        for package in FORBIDDEN
        for file in sources(package)
        if any(f"{name}.".startswith(f"{engine}.") for _, name in imported(file) for engine in ENGINE)
    }
    assert users == {ENGINE_USER}


def test_imports_are_absolute() -> None:
    """So that the line of an import says which package it crosses into."""
    relative = [
        file for package in FORBIDDEN for file in sources(package) if "." in {name for _, name in imported(file)}
    ]
    assert relative == []


def test_who_only_decides_does_not_wait_for_what_drives_calls_to_be_imported() -> None:
    """It is most of a start's time, which calls wait for that are asked meanwhile."""
    program = "import sys, sidecar.daemon; print(*{'numpy', 'aiohttp', 'dns', 'soxr'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.split() == []


def test_who_decides_knows_no_sql_and_no_web_framework() -> None:
    """Their objects and collections would be in every call's way; a process beside it asks the database."""
    program = "import sys, sidecar.daemon, sidecar.cli.serve; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    packages = {name.partition(".")[0] for name in found.stdout.split()}
    forbidden = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg", "asyncmy"}
    forbidden |= {
        "redis",
        "hiredis",
        "fastapi",
        "starlette",
        "pydantic",
        "uvicorn",
        "websockets",
        "limits",
        "multipart",
    }
    assert forbidden & packages == set()
    assert not any(name.startswith("sidecar.http") for name in found.stdout.split())


def test_the_daemon_has_no_engine_in_its_own_process() -> None:
    """What a script breaks is a worker's; and what needs no script does without the extension."""
    program = "import sys, sidecar.daemon, sidecar.calls.service, sidecar.cli.command_line; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {"sandbox.engine", "sandbox._engine", "_quickjs"} & set(found.stdout.split()) == set()
