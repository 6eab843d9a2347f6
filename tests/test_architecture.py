"""The import directions of the packages: sidecar -> sipio, sidecar -> sandbox, and nothing else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "sandbox": {"sipio", "sidecar", "tests", "bench", "examples"},
    "sipio": {"sandbox", "sidecar", "tests", "bench", "examples"},
    "sidecar": {"tests", "bench", "examples"},
}
ENGINE = {"quickjs", "_quickjs"}
ENGINE_USER = Path("sandbox/engine.py")


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """Line and top-level name of each import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]
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
        if name in FORBIDDEN[package]
    ]
    assert wrong == []


def test_one_module_imports_the_engine() -> None:
    users = {
        file.relative_to(ROOT)
        for package in FORBIDDEN
        for file in sources(package)
        if ENGINE & {name for _, name in imported(file)}
    }
    assert users == {ENGINE_USER}


def test_imports_are_absolute() -> None:
    """So that the line of an import says which package it crosses into."""
    relative = [
        file for package in FORBIDDEN for file in sources(package) if "." in {name for _, name in imported(file)}
    ]
    assert relative == []
