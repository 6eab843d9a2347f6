"""Which files are tests, and which a test may read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sidecar.catalog.directory.script_files import TEST_SUFFIXES, UnusableFileError, read_text_file
from sidecar.errors import SidecarError

SCRIPT_SUFFIXES: Final = (".js", ".mjs", ".ts")
DATA_SUFFIXES: Final = (".json", ".toml", ".txt", ".csv")
"""What a test may be given: a test is as untrusted as a script, and what it is given it can print."""
FILE_BYTES: Final = 1_000_000
LEFT_OUT: Final = "node_modules"


class NoTestsError(SidecarError):
    """What was named has no tests in it."""


class UnreadableError(Exception):
    """A file that a test named and is not given; the message says why."""


class TestFile:
    """A file of tests, and the directory that all it names has to lie in."""

    __test__ = False

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.root = root
        self.shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)

    def script(self, name: str) -> Path:
        """The script that the test names, beside itself. Raises UnreadableError."""
        return self._named(name, SCRIPT_SUFFIXES)

    def data(self, name: str) -> Path:
        """The data that the test names, beside itself. Raises UnreadableError."""
        return self._named(name, DATA_SUFFIXES)

    def read(self, path: Path) -> str:
        """The text of such a file. Raises UnreadableError."""
        try:
            return read_text_file(path, self.root, FILE_BYTES)
        except UnusableFileError as error:
            problem = error.problem
            raise UnreadableError(f"{self._relative(path)}: {problem.message}") from error

    def shows(self, path: Path) -> str:
        """A file as the user knows it."""
        return self._relative(path)

    def directory(self, name: str) -> Path:
        """A directory that the test names. Raises UnreadableError."""
        found = Path(os.path.normpath(self.path.parent / name.replace("\x00", "")))
        if not found.resolve().is_relative_to(self.root.resolve()) or not found.is_dir():
            raise UnreadableError(f"{name}: there is no such directory below {self.root}")
        return found

    def _named(self, name: str, suffixes: Sequence[str]) -> Path:
        if "\x00" in name or not name.endswith(tuple(suffixes)):
            raise UnreadableError(f"{name!r}: a test is given files of {', '.join(suffixes)} only")
        path = Path(os.path.normpath(self.path.parent / name))
        # What it leads to is looked at once more when it is read; a test learns nothing of what lies elsewhere.
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise UnreadableError(f"{name}: lies outside of {self.root}, below which this test may read")
        if any(part.startswith(".") for part in path.relative_to(self.root).parts):
            raise UnreadableError(f"{name}: what is hidden no test may read")
        return path

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def find_tests(given: Sequence[Path], here: Path) -> list[TestFile]:
    """The test files that were named and those in the directories that were named, in their order.

    A test may read what is below ``here``, where it lies there itself, else below what was named. Raises NoTestsError.
    """
    found: dict[Path, TestFile] = {}
    for one in given:
        path = Path(os.path.normpath(here / one))
        if path.is_dir():
            files = list(_below(path))
            root = path
        elif path.is_file():
            if not path.name.endswith(TEST_SUFFIXES):
                raise NoTestsError(f"{one}: a test's name ends with {' or '.join(TEST_SUFFIXES)}")
            files, root = [path], path.parent
        else:
            raise NoTestsError(f"{one}: there is no such file or directory")
        for file in files:
            found.setdefault(file, TestFile(file, here if file.is_relative_to(here) else root))
    if not found:
        raise NoTestsError(f"there is no {' or '.join(f'*{suffix}' for suffix in TEST_SUFFIXES)} in {_list(given)}")
    return list(found.values())


def tests_there(given: Sequence[Path], here: Path) -> list[TestFile]:
    """As `find_tests`; empty where there are none."""
    try:
        return find_tests(given, here)
    except NoTestsError:
        return []


def _list(given: Sequence[Path]) -> str:
    return ", ".join(str(one) for one in given)


def _below(directory: Path) -> Iterator[Path]:
    for path, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != LEFT_OUT and not name.startswith("."))
        yield from (Path(path) / name for name in sorted(files) if name.endswith(TEST_SUFFIXES))


def state_of(files: Sequence[TestFile]) -> dict[str, tuple[int, int]]:
    """When each file that a test may read was changed, and its size."""
    state = {}
    for root in {file.root for file in files}:
        for path, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name != LEFT_OUT and not name.startswith(".")]
            for name in names:
                if name.endswith(SCRIPT_SUFFIXES + DATA_SUFFIXES):
                    full = os.path.join(path, name)  # noqa: PTH118 - of ten thousand files, twice a second
                    try:
                        status = os.stat(full)  # noqa: PTH116
                    except OSError:
                        continue  # gone meanwhile
                    state[full] = (status.st_mtime_ns, status.st_size)
    return state
