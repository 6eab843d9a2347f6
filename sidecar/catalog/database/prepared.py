"""What a text was made into when it was saved, as a version keeps it."""

from typing import Final

import msgspec

from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.prepared import Prepared, prepare

FORM: Final = 1
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


def current_prepared(kept: str, name: str, text: str, kind: str) -> str:
    """The same in this release's form; as it is where the kind is one of a later release's."""
    if kept.startswith(f"[{FORM},") or kind not in list(Kind):
        return kept
    return encode_prepared(prepare_file(name, text, Kind(kind)), text)


def decode_prepared(kept: str, name: str, text: str, kind: Kind) -> Prepared:
    """What was kept; made anew of a text that another release prepared."""
    try:
        found = msgspec.json.decode(kept, type=_Kept)
        if found.form == FORM:
            prepared = msgspec.json.decode(found.prepared, type=Prepared)
            return prepared._replace(text=text) if found.is_text else prepared
    except msgspec.MsgspecError:
        pass  # of another form
    return prepare_file(name, text, kind)


def prepare_file(name: str, text: str, kind: Kind) -> Prepared:
    """A script that imports nothing of its own: its name says whether it is TypeScript."""
    return prepare(text, kind, AppFiles(entry=name))
