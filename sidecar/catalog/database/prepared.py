"""What a text was made into when it was saved, as a version keeps it."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from sidecar.kind import Kind
from sidecar.language.es_module import Prepared, prepare

FORM: Final = 1
"""Raised by a release that prepares texts in another way: those of older releases are then prepared once more, when
they are read."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    form: int
    parts: Any


def encode_prepared(prepared: Prepared, text: str) -> str:
    """As it is kept beside the text: what is the text itself is not kept twice."""
    parts = [None if part == text else part for part in prepared]
    return msgspec.json.encode(_Kept(FORM, parts)).decode()


def current_prepared(kept: str, text: str, kind: str) -> str:
    """The same in this release's form; as it is where the kind is one of a later release's."""
    if kept.startswith(f"[{FORM},") or kind not in list(Kind):
        return kept
    return encode_prepared(prepare(text, Kind(kind)), text)


def decode_prepared(kept: str, text: str, kind: Kind, make: Callable[[str, Kind], Prepared] = prepare) -> Prepared:
    """What was kept; made anew of a text that another release prepared."""
    try:
        found = msgspec.json.decode(kept, type=_Kept)
        if found.form == FORM and len(found.parts) == len(Prepared._fields):
            parts = (text if part is None else part for part in found.parts)
            return Prepared._make(tuple(part) if isinstance(part, list) else part for part in parts)
    except (msgspec.MsgspecError, TypeError):
        pass  # of another form
    return make(text, kind)
