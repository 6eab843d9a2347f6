"""What of the web's interfaces a script finds around it: JavaScript of our own, in parts."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple


class _Part(NamedTuple):
    files: tuple[str, ...]
    names: tuple[str, ...]
    needs: tuple[str, ...] = ()


_PARTS: Final[Mapping[str, _Part]] = {
    "encoding": _Part(("encoding.js",), ("TextEncoder", "TextDecoder")),
    "addresses": _Part(("addresses.js", "address_parts.js", "query.js"), ("URL", "URLSearchParams"), ("encoding",)),
    "clone": _Part(("clone.js",), ("structuredClone",)),
    "events": _Part(("events.js",), ("Event", "CustomEvent", "EventTarget", "AbortController", "AbortSignal")),
    "messages": _Part(("messages.js",), ("Headers", "Request", "Response"), ("encoding", "addresses", "events")),
    "cryptography": _Part(("cryptography.js",), ("crypto",), ("encoding",)),
    "performance": _Part(("performance.js",), ("performance",)),
}
"""In the order in which they are evaluated, all in one scope."""
NAMES: Final = tuple(name for part in _PARTS.values() for name in part.names)
"""All of it, by name."""
_COMMENT_OR_INDENT: Final = re.compile(r"^\s*//.*\n|^[ ]+", re.MULTILINE)
_FIRST: Final = "errors.js"
_JAVASCRIPT: Final = {
    name: _COMMENT_OR_INDENT.sub("", (files(__package__) / name).read_text(encoding="utf-8"))
    for name in (_FIRST, *(name for part in _PARTS.values() for name in part.files))
}
"""Read here, since a confined process opens no file."""
_NAMED: Final = re.compile(rf"(?:(?<![\w$])(?<!(?<!\.\.)\.)|\bglobalThis\s*\??\.\s*)({'|'.join(NAMES)})\b")
"""Who puts such a name together has nothing of it: to have it all in every context would cost each run 3 %, and all of
it in those that name some 5 us."""


def parts_named(texts: Iterable[str]) -> frozenset[str]:
    """The parts that texts name something of, and what these need."""
    return parts_with(name for text in texts for name in _NAMED.findall(text))


def parts_with(names: Iterable[str]) -> frozenset[str]:
    """The parts that have something of these names, and what they need."""
    named = set(names)
    found: set[str] = set()
    waiting = [part for part, one in _PARTS.items() if not named.isdisjoint(one.names)]
    while waiting:
        part = waiting.pop()
        found.add(part)
        waiting += _PARTS[part].needs
    return frozenset(found)


def usual_parts() -> frozenset[frozenset[str]]:
    """What most texts that name some of it need: one part with what that needs, or all."""
    return frozenset((*(parts_named(part.names) for part in _PARTS.values()), frozenset(_PARTS)))


@lru_cache(maxsize=64)
def code(parts: frozenset[str]) -> str:
    """The JavaScript of some parts: a function of what the runtime lends it, which gives what is in them by name, and
    ``begin``, which is told when a run begins."""
    names = [_FIRST, *(name for part, one in _PARTS.items() if part in parts for name in one.files)]
    return f'((lent) => {{"use strict";\n{"".join(_JAVASCRIPT[name] for name in names)}return found;\n}})'
