"""The reference page of ``assignments.toml``, made of the declarations in entries.py, so that no key is missing."""

import textwrap
from collections.abc import Iterator
from typing import Final

import msgspec

from sidecar.catalog.directory import entries
from sidecar.catalog.directory.entries import TABLES, AnyTable
from sidecar.configuration.text import meanings

PREAMBLE: Final = """\
# assignments.toml

Which script runs on which call: every table and every key. The file lies in the catalog's directory, beside `scripts/`.
Its tables are lists, so their names stand in two brackets; an unknown key, a wrong value or a script that is not there
is an error with its line. `scriptforge check DIR` tells of all of them, `scriptforge config --assignments` prints this
page.

```toml
[[route]]
customer = "acme"
route = "premium"
script = "cheapest-first"
timeout_ms = 200
timeout_action = "503 Script Timeout"
vars.margin.highest_rate = 0.015

[[script]]
file = "menu.js"
kind = "app"

[[destination]]
destination = "100"
script = "menu"
```

"""
_WIDTH: Final = 120


def reference() -> str:
    """docs/assignments.md."""
    parts = [PREAMBLE]
    for name, table in TABLES.items():
        parts.append(f"## `[[{name}]]`\n\n{_wrapped(_meaning(table))}\n\n| key | meaning |\n|---|---|\n")
        for key, required, meaning in _keys(table):
            parts.append(f"| `{key}`{', needed' if required else ''} | {meaning} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _keys(table: type[AnyTable]) -> Iterator[tuple[str, bool, str]]:
    """Each key, whether it is needed, and its meaning: what says which calls first."""
    fields = sorted(msgspec.structs.fields(table), key=lambda field: (not field.required, field.name == "vars"))
    texts = meanings(entries)
    for field in fields:
        text = next(text for one in table.__mro__ if (text := texts.get((one.__name__, field.name))))
        yield field.encode_name, field.required, _as_markdown(text)


def _meaning(table: type[AnyTable]) -> str:
    return _as_markdown(meanings(entries)[table.__name__, ""])


def _as_markdown(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False))
