"""The configuration as TOML that explains itself: each key under its meaning and where its value is from."""

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_type_hints

from sidecar.configuration import host_sections, tree
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.section import Section
from sidecar.configuration.shared_url import SharedUrl
from sidecar.configuration.source import DEFAULT_ORIGIN, LeafPath, LoadedConfiguration
from sidecar.configuration.tree import Configuration
from sipio.host_port import HostPort

LINE_WIDTH: Final = 110

SHIPPED_PREAMBLE: Final = """\
Configuration of ScriptForge Sidecar, /etc/scriptforge/sidecar.toml.

Every key stands here with its meaning and its default, commented out: uncomment what is to differ.
An environment variable overrides the file: SCRIPTFORGE_SANDBOX__WORKERS=4 sets workers in [sandbox].
`scriptforge config` prints what is in effect; an unknown key is refused."""


def meanings(*modules: ModuleType) -> Mapping[tuple[str, str], str]:
    """The text under each field of modules' classes, by (class, field), and each class's own, by (class, "").

    By default those of the configuration.

    Read from the source of the declarations, so that no meaning is written twice.
    """
    found: dict[tuple[str, str], str] = {}
    declarations = modules or (tree, host_sections)
    for node in [node for module in declarations for node in ast.parse(inspect.getsource(module)).body]:
        if not isinstance(node, ast.ClassDef):
            continue
        found[node.name, ""] = ast.get_docstring(node) or ""
        for field, below in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[node.name, field.target.id] = inspect.cleandoc(below.value.value)
    return found


def effective_configuration(loaded: LoadedConfiguration) -> str:
    """The configuration in effect as TOML, each key under its meaning and its origin."""
    return _document(loaded.configuration, loaded.origins, "")


def shipped_configuration() -> str:
    """config/sidecar.toml: every key under its meaning, commented out at its default."""
    return _document(Configuration(), None, SHIPPED_PREAMBLE)


def _document(configuration: Configuration, origins: Mapping[LeafPath, str] | None, preamble: str) -> str:
    texts = meanings()
    blocks = [_comment(preamble)] if preamble else []
    for name, declared in get_type_hints(Configuration).items():
        section = getattr(configuration, name)
        blocks.append(f"{_comment(texts[declared.__name__, ''])}[{name}]\n")
        blocks.extend(_key(section, name, key, texts, origins) for key in section.__struct_fields__)
    return "\n".join(blocks)


def _key(
    section: Section,
    section_name: str,
    key: str,
    texts: Mapping[tuple[str, str], str],
    origins: Mapping[LeafPath, str] | None,
) -> str:
    assignment = f"{key} = {toml_value(getattr(section, key))}\n"
    comment = _comment(texts[type(section).__name__, key])
    if origins is None:
        return f"{comment}#{assignment}"
    origin = origins[section_name, key]
    return f"{comment}{_comment('Default.' if origin == DEFAULT_ORIGIN else f'From {origin}.')}{assignment}"


def _comment(text: str) -> str:
    """A text as TOML's comment. Its lines are filled anew, since a declaration has other margins; empty lines stay."""
    paragraphs = (" ".join(paragraph.split("\n")) for paragraph in text.split("\n\n"))
    filled = "\n\n".join(textwrap.fill(paragraph, LINE_WIDTH - 2) for paragraph in paragraphs)
    return "".join(f"# {line}".rstrip() + "\n" for line in filled.split("\n"))


def toml_value(value: Any) -> str:
    """A value of the configuration as TOML writes it; nothing is empty text."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(element) for element in value)}]"
    if isinstance(value, (str, Path, HostPort, DatabaseUrl, SharedUrl)):
        # JSON's escapes are TOML's; DEL alone must be escaped in TOML and is not in JSON.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    raise TypeError(f"no TOML for {type(value).__name__}")
