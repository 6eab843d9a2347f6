"""docs/assignments.md is what the code reads."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.entries import TABLES
from sidecar.catalog.directory.reference import reference
from sidecar.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "assignments.md"


def test_the_page_is_the_one_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--assignments"]) == 0
    assert capsys.readouterr().out == reference()
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run: scriptforge config --assignments > docs/assignments.md"
    )


@pytest.mark.parametrize("name", TABLES)
def test_every_key_of_every_table_has_a_meaning(name: str) -> None:
    section = reference().split(f"## `[[{name}]]`")[1].split("\n## ")[0]
    for field in msgspec.structs.fields(TABLES[name]):
        row = next(line for line in section.splitlines() if line.startswith(f"| `{field.name}`"))
        assert len(row.split("|")[2].strip()) > 10
        assert ("needed" in row) == field.required


def test_the_example_of_the_page_can_be_read() -> None:
    example = reference().split("```toml\n")[1].split("```")[0]
    document: Any = Document("assignments.toml", example.encode(), None)
    assert not document.problems
