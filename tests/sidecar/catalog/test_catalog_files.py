"""The files of a catalog directory: what is a script, and what is none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sidecar.catalog.catalog_desk import MAIN, Catalog


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
