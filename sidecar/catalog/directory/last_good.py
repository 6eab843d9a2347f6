"""The last version of each file of a catalog that was right, kept from one start to the next.

A folder of texts, each named by the SHA-256 of its bytes, and one file that says which of them stands for what, which
is replaced as a whole. A text that does not have its own hash is not used: so none is waited for to reach the disk,
which for thousands of them at a first start would take seconds, and what a power cut leaves is old, new, or not there.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.script_files import UnusableFileError
from sidecar.configuration.toml_source import TomlSyntaxError
from sidecar.logs.logger import ActionLogger

_log = ActionLogger(__name__)

LIST: Final = "list.json"
LIST_BYTES: Final = 16_777_216
"""About 100,000 scripts."""
KEPT_BYTES: Final = 268_435_456
"""Of all texts together: the longest assignments.toml, and 1,000 scripts of the longest sort."""
_OURS: Final = re.compile(r"[0-9a-f]{64}(\.new)?|list\.json\.new")
"""Names of files that may go. Whatever else is in the folder is not ours."""
PIECE_BYTES: Final = 1_048_576
"""Written at once; other threads run meanwhile."""


class _List(msgspec.Struct, frozen=True, kw_only=True):
    catalog: str
    """Whose texts they are: another catalog's would do for no script of this one."""
    assignments: str = ""
    """Names of texts; empty for none."""
    scripts: dict[str, str] = {}


class LastGood:
    """What was right last, in memory and, where there is a folder, on disk. Used in one thread at a time."""

    def __init__(self, folder: Path | None, catalog: Path) -> None:
        """``catalog``: the directory that it is of. Raises nothing: what cannot be read is not there."""
        self._folder = folder
        self._catalog = str(catalog.absolute())
        self._document: Document | None = None
        self._texts: dict[str, str] = {}
        self._names: dict[str, tuple[str, str]] = {}
        """By script file: a text and its name."""
        self._list = self._read_list()
        self.not_kept = ""
        """Why the last version is not on disk; empty if it is."""

    def document(self) -> Document | None:
        """The last assignments.toml that was right."""
        if self._document is None and self._list.assignments:
            content = self._text(self._list.assignments)
            if content is not None:
                with contextlib.suppress(TomlSyntaxError, UnusableFileError):
                    self._document = Document("assignments.toml", content)
        return self._document

    def script(self, file: str) -> str | None:
        """The last text of a script file that was right."""
        if file not in self._texts and file in self._list.scripts:
            content = self._text(self._list.scripts[file])
            if content is not None:
                with contextlib.suppress(UnicodeDecodeError):
                    self._texts[file] = content.decode()
        return self._texts.get(file)

    def with_prefix(self, prefix: str) -> Iterator[str]:
        """What follows a prefix in the names of script files that begin with it."""
        names = {*self._texts, *self._list.scripts}
        return (name.removeprefix(prefix) for name in sorted(names) if name.startswith(prefix))

    def keep(self, document: Document | None, texts: Mapping[str, str], *, all_of_them: bool) -> None:
        """Take what is right now: a document, if it is, and texts by script file. ``all_of_them``: what is not among
        them is wanted no more."""
        if document is not None:
            self._document = document
        self._texts = dict(texts) if all_of_them else {**self._texts, **texts}
        if self._folder is None:
            return
        try:
            self._write(self._folder, document, texts, all_of_them=all_of_them)
        except (OSError, UnusableFileError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or str(error)
            if why != self.not_kept:
                _log.warning("last_good_not_kept", folder=str(self._folder), error=why)
            self.not_kept = why
        else:
            self.not_kept = ""

    # ---- on disk ----

    def _write(self, folder: Path, document: Document | None, texts: Mapping[str, str], *, all_of_them: bool) -> None:
        before = self._list
        names = {file: self._name_of(file, text) for file, text in texts.items()}
        self._names = {file: known for file, known in self._names.items() if file in names}
        now = _List(
            catalog=self._catalog,
            assignments=document.digest.hex() if document is not None else before.assignments,
            scripts=names if all_of_them else {**before.scripts, **names},
        )
        folder.mkdir(mode=0o700, exist_ok=True)
        there = {one.name for one in os.scandir(folder)}
        if now == before and there >= {*_texts_of(now), LIST}:
            return
        size = 0
        for name in _texts_of(now):
            size += (folder / name).stat().st_size if name in there else 0
        new = {name: texts[file].encode() for file, name in names.items() if name not in there}
        if document is not None and now.assignments not in there:
            new[now.assignments] = document.content()
        size += sum(map(len, new.values()))
        if size > KEPT_BYTES:
            raise OSError(0, f"longer than {KEPT_BYTES:_} bytes in all")
        for name, content in new.items():
            _write_whole(folder / name, content, to_disk=False)
        _write_whole(folder / LIST, msgspec.json.encode(now), to_disk=True)
        self._list = now
        for name in there - {*_texts_of(now), LIST}:
            if _OURS.fullmatch(name):
                (folder / name).unlink(missing_ok=True)

    def _name_of(self, file: str, text: str) -> str:
        known = self._names.get(file)
        if known is None or known[0] is not text:
            known = self._names[file] = text, hashlib.sha256(text.encode()).hexdigest()
        return known[1]

    def _read_list(self) -> _List:
        nothing = _List(catalog=self._catalog)
        if self._folder is None:
            return nothing
        try:
            with (self._folder / LIST).open("rb") as file:
                found = msgspec.json.decode(file.read(LIST_BYTES), type=_List)
        except FileNotFoundError:
            return nothing
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.warning("last_good_unreadable", folder=str(self._folder), error=str(error))
            return nothing
        return found if found.catalog == self._catalog else nothing

    def _text(self, name: str) -> bytes | None:
        """A text; None where it is gone or damaged."""
        if self._folder is None or not name.isalnum():
            return None
        try:
            with (self._folder / name).open("rb") as file:
                content = file.read(KEPT_BYTES)
        except OSError as error:
            _log.warning("last_good_unreadable", folder=str(self._folder), error=str(error))
            return None
        if hashlib.sha256(content).hexdigest() != name:
            _log.warning("last_good_damaged", folder=str(self._folder), text=name)
            return None
        return content


def _texts_of(one: _List) -> Iterable[str]:
    return {*one.scripts.values(), *filter(None, (one.assignments,))}


def _write_whole(file: Path, content: bytes, *, to_disk: bool) -> None:
    draft = file.with_name(f"{file.name}.new")
    try:
        with draft.open("wb") as opened:
            for begin in range(0, len(content), PIECE_BYTES):
                opened.write(memoryview(content)[begin : begin + PIECE_BYTES])
            opened.flush()
            if to_disk:
                os.fsync(opened.fileno())
        draft.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
