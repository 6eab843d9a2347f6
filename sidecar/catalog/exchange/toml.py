"""Tables of assignments.toml as text that is read as the same again."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def table_text(name: str, table: msgspec.Struct, left_out: Iterable[str] = ()) -> str:
    """One ``[[name]]``, without what has its default anyway."""
    lines = [f"[[{name}]]"]
    skipped = frozenset(left_out)
    for field in sorted(msgspec.structs.fields(table), key=lambda one: (not one.required, one.name == "vars")):
        value = getattr(table, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if field.name in skipped or value is None or (value == default and type(value) is type(default)):
            continue
        lines.append(f"{field.encode_name} = {toml_text(value)}")
    return "\n".join(lines) + "\n"


def toml_text(value: Any) -> str:
    """A value as TOML writes it in one line. Raises TypeError for what TOML has not."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's; DEL alone must be escaped in TOML and is not in JSON.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        return "{ " + ", ".join(f"{_key(key)} = {toml_text(child)}" for key, child in value.items()) + " }"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else toml_text(key)
