"""The files that a script on disk may import, read as they are asked for."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sidecar.catalog.directory.script_files import UnusableFileError, read_file, text_of
from sidecar.language.app_files import AppFiles
from sidecar.problem import Problem


class SiblingFiles(Mapping[str, str]):
    """Texts by path below a folder. What was asked for is kept, also that there was no such file."""

    def __init__(
        self, folder: Path, within: Path, limit: int, is_hidden: Callable[[str], bool] = lambda _: False
    ) -> None:
        """``within`` is where each file has to be, also one that is a link; ``limit`` is the most bytes of one. What
        ``is_hidden`` says of a path, that it is somebody else's file, is not there for whoever asks."""
        self._folder = folder
        self._within = within
        self._limit = limit
        self._is_hidden = is_hidden
        self._texts: dict[str, str | None] = {}
        self.digests: dict[str, bytes | None] = {}
        """The SHA-256 of what was asked for; None for what is not there or cannot be read."""
        self.problems: list[Problem] = []
        """Of files that are there and cannot be read."""

    def __getitem__(self, path: str) -> str:
        text = self._text(path)
        if text is None:
            raise KeyError(path)
        return text

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._text(path) is not None

    def __iter__(self) -> Iterator[str]:
        return (path for path, text in self._texts.items() if text is not None)

    def __len__(self) -> int:
        return sum(text is not None for text in self._texts.values())

    def digest(self, path: str) -> bytes | None:
        """The SHA-256 of a file, None where there is no such."""
        self._text(path)
        return self.digests[path]

    def shown(self) -> dict[str, str]:
        """The texts that were asked for, by file as problems name it."""
        return {str(self._folder / path): self[path] for path in self}

    def _text(self, path: str) -> str | None:
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _read(self, path: str) -> str | None:
        file = self._folder / path
        self.digests[path] = None
        if self._is_hidden(path):
            return None
        try:
            if not file.exists():
                return None
            content = read_file(file, self._within, self._limit)
            text = text_of(file, content)
        except UnusableFileError as error:
            self.problems.append(error.problem)
            return None
        except OSError:
            return None  # a name that no file can have
        self.digests[path] = hashlib.sha256(content).digest()
        return text


def files_beside(script: Path, limit: int, folder: Path | None = None) -> tuple[AppFiles, SiblingFiles]:
    """What a script that is named by its file alone may import: files in a folder and below, by default in its own."""
    folder = folder or script.parent
    siblings = SiblingFiles(folder, folder, limit)
    return AppFiles(entry=script.relative_to(folder).as_posix(), texts=siblings, folder=str(folder)), siblings
