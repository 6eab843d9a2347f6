"""Templates of mail and short messages, in the part of Handlebars that is no program: values, conditions, lists.

`parse` reads one once; `render` fills it in. What a template names and the values do not have is empty, as in
Handlebars.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final, NamedTuple

import msgspec

TEMPLATE_CHARACTERS: Final = 200_000
RENDERED_CHARACTERS: Final = 1_000_000
"""Of what comes out: a list in a list in a list of one short template could have no end that anybody waits for."""
STEPS: Final = 50_000
"""Values, pieces of text and rounds of lists that one filling in may have: some 50 ms, of a thread of its own."""
DEPTH: Final = 32
"""Of blocks in each other."""
PATH_CHARACTERS: Final = 256
"""Of the name of a value, which each of its rounds goes along anew."""

_TAG: Final = re.compile(r"(?P<comment>\{\{![^}]*\}\})|\{\{\{(?P<raw>[^{}]+)\}\}\}|\{\{(?P<tag>[^{}]+)\}\}")
_LONG_COMMENT: Final = "{{!--"
_PATH: Final = re.compile(r"(?:\.\./)*(?:@?[\w$-]+|\[[^\]]+\]|\.)(?:[./](?:[\w$-]+|\[[^\]]+\]))*")
_BLOCKS: Final = ("if", "unless", "each", "with")


class TemplateError(Exception):
    """A template that cannot be read, with the line, or one that gives too much."""


class Value(msgspec.Struct, frozen=True):
    """A value, escaped for HTML where the template is one and it is not asked for raw."""

    path: str
    raw: bool


class Block(msgspec.Struct, frozen=True):
    """A condition or a list, and what stands in it and after its ``else``."""

    helper: str
    path: str
    body: "Parts"
    otherwise: "Parts"


Part = str | Value | Block
Parts = tuple[Part, ...]


class Template(msgspec.Struct, frozen=True):
    """A template that was read."""

    parts: Parts


class _Open:
    """A block whose end has not come yet."""

    def __init__(self, helper: str, path: str, line: int) -> None:
        self.helper, self.path, self.line = helper, path, line
        self.body: list[Part] = []
        self.otherwise: list[Part] | None = None

    def add(self, part: Part) -> None:
        (self.body if self.otherwise is None else self.otherwise).append(part)

    def closed(self) -> Block:
        return Block(self.helper, self.path, tuple(self.body), tuple(self.otherwise or ()))


def parse(text: str) -> Template:
    """Read a template. Raises TemplateError with the line for what is none."""
    if len(text) > TEMPLATE_CHARACTERS:
        raise TemplateError(f"the template has more than {TEMPLATE_CHARACTERS} characters")
    blocks = [_Open("", "", 1)]
    at, line = 0, 1
    for tag in _tags(text):
        _add_text(blocks[-1], text[at : tag.begin], line)
        line += text.count("\n", at, tag.begin)
        if tag.inner is not None and tag.raw:
            blocks[-1].add(Value(_path(tag.inner, line), raw=True))
        elif tag.inner is not None:
            _add_tag(blocks, tag.inner, line)
        line += text.count("\n", tag.begin, tag.end)
        at = tag.end
    _add_text(blocks[-1], text[at:], line)
    if len(blocks) > 1:
        raise TemplateError(f"line {blocks[-1].line}: {{{{#{blocks[-1].helper}}}}} has no end")
    return Template(tuple(blocks[0].body))


class _Tag(NamedTuple):
    """What stands between braces; None of a comment."""

    begin: int
    end: int
    inner: str | None
    raw: bool


def _tags(text: str) -> Iterator[_Tag]:
    """The tags, up to one that has no end. Each character is looked at a few times, however many there are."""
    begin = text.find("{{")
    closing = 0
    while begin >= 0:
        if text.startswith(_LONG_COMMENT, begin) and closing >= 0:
            inside = begin + len(_LONG_COMMENT)
            closing = closing if closing >= inside else text.find("--}}", inside)
            if closing >= 0:
                yield _Tag(begin, closing + 4, None, raw=False)
                begin = text.find("{{", closing + 4)
                continue
        # Of three braces the first may be text.
        match = _TAG.match(text, begin) or (_TAG.match(text, begin + 1) if text.startswith("{{{", begin) else None)
        if match is None:
            return
        inner = match["raw"] or match["tag"]
        yield _Tag(match.start(), match.end(), inner and inner.strip(), raw=match["raw"] is not None)
        begin = text.find("{{", match.end())


def _add_text(block: _Open, text: str, line: int) -> None:
    """Add what stands between two tags and begins in this line."""
    left = text.find("{{")
    if left >= 0:
        raise TemplateError(f"line {line + text.count(chr(10), 0, left)}: {{{{ has no end")
    if text:
        block.add(text)


def _add_tag(blocks: list[_Open], tag: str, line: int) -> None:
    if tag.startswith("#"):
        helper, _, path = tag[1:].strip().partition(" ")
        if helper not in _BLOCKS:
            raise TemplateError(f"line {line}: there is no {{{{#{helper}}}}}; there are {', '.join(_BLOCKS)}")
        if len(blocks) > DEPTH:
            raise TemplateError(f"line {line}: more than {DEPTH} blocks in each other")
        blocks.append(_Open(helper, _path(path.strip(), line), line))
    elif tag.startswith("/"):
        closed = tag[1:].strip()
        if len(blocks) == 1 or blocks[-1].helper != closed:
            raise TemplateError(f"line {line}: {{{{/{closed}}}}} ends nothing that is open")
        block = blocks.pop()
        blocks[-1].add(block.closed())
    elif tag in ("else", "^"):
        if len(blocks) == 1 or blocks[-1].otherwise is not None:
            raise TemplateError(f"line {line}: {{{{else}}}} stands in no block")
        blocks[-1].otherwise = []
    else:
        raw = tag.startswith("&")
        blocks[-1].add(Value(_path(tag[1:].strip() if raw else tag, line), raw))


def _path(text: str, line: int) -> str:
    if len(text) > PATH_CHARACTERS or _PATH.fullmatch(text) is None:
        raise TemplateError(f"line {line}: {text[:60]!r} is not the name of a value")
    return text


# ---- filling in ----


class _Scope:
    """A value, whose it is in, and what ``@index`` and its like are there."""

    __slots__ = ("data", "outer", "value")

    def __init__(self, value: Any, outer: "_Scope | None" = None, data: Mapping[str, Any] | None = None) -> None:
        self.value = value
        self.outer = outer
        self.data = data or {}

    def find(self, path: str) -> Any:
        scope: _Scope | None = self
        while path.startswith("../"):
            path = path[3:]
            scope = scope.outer if scope is not None else None
        if scope is None:
            return None
        if path.startswith("@"):
            while scope is not None and path[1:] not in scope.data:
                scope = scope.outer
            return scope.data[path[1:]] if scope is not None else None
        value = scope.value
        for name in _names(path):
            value = _property(value, name)
        return value


def _names(path: str) -> Iterator[str]:
    if path in (".", "this"):
        return
    for name in re.findall(r"\[[^\]]+\]|[^./\[\]]+", path.removeprefix("this.").removeprefix("this/")):
        yield name.strip("[]")


def _property(value: Any, name: str) -> Any:
    """A value's own, and nothing of the object that it is here."""
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list | tuple):
        if name == "length":
            return len(value)
        return value[int(name)] if name.isdecimal() and int(name) < len(value) else None
    return None


def _is_true(value: Any) -> bool:
    # An empty list is false in Handlebars, an empty object is true.
    return value is not None and value is not False and value != 0 and value not in ("", [], ())


def _text(value: Any) -> str:
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return "[object Object]" if isinstance(value, Mapping) else str(value)


def render(template: Template, values: Mapping[str, Any], *, html: bool) -> str:
    """A template with these values. In HTML they are escaped. Raises TemplateError where it has no bounds."""
    rendering = _Rendering(html)
    rendering.add(template.parts, _Scope(values))
    return "".join(rendering.pieces)


class _Rendering:
    """What has come of a template so far."""

    def __init__(self, html: bool) -> None:
        self._html = html
        self._steps = 0
        self._characters = 0
        self.pieces: list[str] = []

    def add(self, parts: Parts, scope: _Scope) -> None:
        self._step()
        for part in parts:
            if isinstance(part, str):
                self._say(part)
            elif isinstance(part, Value):
                text = _text(scope.find(part.path))
                self._say(escape(text) if self._html and not part.raw else text)
            else:
                for inner, body in _scopes(part, scope):
                    self.add(body, inner)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > STEPS:
            raise TemplateError(f"the template takes more than {STEPS} steps to fill in")

    def _say(self, piece: str) -> None:
        self._step()
        self._characters += len(piece)
        if self._characters > RENDERED_CHARACTERS:
            raise TemplateError(f"the template gives more than {RENDERED_CHARACTERS} characters")
        self.pieces.append(piece)


def _scopes(block: Block, scope: _Scope) -> Iterator[tuple[_Scope, Parts]]:
    """What a block is filled in with, and which part of it."""
    value = scope.find(block.path)
    if block.helper in ("if", "unless"):
        yield scope, block.body if _is_true(value) is (block.helper == "if") else block.otherwise
    elif block.helper == "with" and _is_true(value):
        yield _Scope(value, scope), block.body
    elif block.helper == "each" and isinstance(value, Mapping | list | tuple) and value:
        entries = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        for index, (key, entry) in enumerate(entries):
            data = {"index": index, "key": key, "first": index == 0, "last": index == len(entries) - 1}
            yield _Scope(entry, scope, data), block.body
    else:
        yield scope, block.otherwise
