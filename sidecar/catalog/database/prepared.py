"""What a text was made into when it was saved, as a version keeps it."""

from typing import Final

import msgspec

from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.prepared import Prepared, prepare

FORM: Final = 3
"""Raised by a release that prepares texts in another way: those of older releases are then prepared once more, when
they are read."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    form: int
    is_text: bool
    """Whether what runs is the text itself, which is not kept twice."""
    prepared: msgspec.Raw


def encode_prepared(prepared: Prepared, text: str) -> str:
    """As it is kept beside the text."""
    is_text = prepared.text == text
    parts = prepared._replace(text="") if is_text else prepared
    return msgspec.json.encode(_Kept(FORM, is_text, msgspec.Raw(msgspec.json.encode(parts)))).decode()


def is_current(kept: str, kind: str) -> bool:
    """Whether it is in this release's form, or of a kind that is one of a later release's."""
    return kept.startswith(f"[{FORM},") or kind not in list(Kind)


def decode_prepared(kept: str, path: str, text: str, kind: Kind) -> Prepared:
    """What was kept; made anew of a text that another release prepared, as if there were no other files."""
    try:
        found = msgspec.json.decode(kept, type=_Kept)
        if found.form == FORM:
            prepared = msgspec.json.decode(found.prepared, type=Prepared)
            return prepared._replace(text=text) if found.is_text else prepared
    except msgspec.MsgspecError:
        pass  # of another form
    return prepare(text, kind, AppFiles(entry=path))


def imported_paths(kept: str) -> frozenset[str]:
    """The other files of its app that a kept program has."""
    try:
        return frozenset(msgspec.json.decode(msgspec.json.decode(kept, type=_Kept).prepared, type=Prepared).files)
    except msgspec.MsgspecError:
        return frozenset()  # of a form that had none
