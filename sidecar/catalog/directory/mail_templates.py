"""Templates of mail beside a catalog in a directory, each in ``templates/TENANT/NAME.toml``."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from sidecar.file_name import file_name_of, identifier_of

TEMPLATES: Final = "templates"
FILE_BYTES: Final = 4_000_000
"""What a template in a database may have fits, however its characters are written."""


class MailTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template; what of it is empty is not in the mail."""

    subject: str = ""
    text: str = ""
    html: str = ""


class TemplateFile(MailTemplate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template as its file has it, which says whose it is and what it is called where its path is too short to."""

    tenant: str = ""
    name: str = ""


class TemplateTable(TemplateFile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same with all that it is called by."""

    @property
    def path(self) -> str:
        """Within the catalog's directory."""
        return f"{TEMPLATES}/{file_name_of(self.tenant)}/{file_name_of(self.name)}.toml"


class UnusableTemplate(Exception):
    """A file of a template is none, or cannot be read."""


def decode_template(content: bytes) -> TemplateFile:
    """A template's file. Raises UnusableTemplate."""
    try:
        return msgspec.toml.decode(content, type=TemplateFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnusableTemplate(str(error)) from None


def read_templates(directory: Path) -> Mapping[tuple[str, str], TemplateTable]:
    """All of a directory, by tenant and name. Raises UnusableTemplate for a file that no script could ask for."""
    found: dict[tuple[str, str], TemplateTable] = {}
    for file in sorted(_files(directory / TEMPLATES)):
        shown = file.relative_to(directory)
        try:
            with file.open("rb") as opened:
                content = opened.read(FILE_BYTES + 1)
        except OSError as error:
            raise UnusableTemplate(f"{shown}: cannot be read: {error.strerror}") from None
        if len(content) > FILE_BYTES:
            raise UnusableTemplate(f"{shown}: has more than {FILE_BYTES:_} bytes")
        try:
            template = decode_template(content)
        except UnusableTemplate as error:
            raise UnusableTemplate(f"{shown}: {error}") from None
        tenant = template.tenant or identifier_of(file.parent.name)
        name = template.name or identifier_of(file.stem)
        if tenant is None or name is None:
            raise UnusableTemplate(f"{shown}: is what no template's file is called: see docs/host-modules.md")
        table = TemplateTable(
            tenant=tenant, name=name, subject=template.subject, text=template.text, html=template.html
        )
        if PurePosixPath(shown.as_posix()) != PurePosixPath(table.path):
            raise UnusableTemplate(f"{shown}: the template {name!r} of {tenant!r} is looked for as {table.path}")
        found[tenant, name] = table
    return found


def said_by(table: TemplateTable) -> Mapping[str, str]:
    """What its file has to say of a template, beside what its path says."""
    said = {field: getattr(table, field) for field in table.__struct_fields__}
    for field in ("tenant", "name"):
        if identifier_of(file_name_of(said[field])) == said[field]:
            said[field] = ""
    return {field: value for field, value in said.items() if value}


def _files(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as tenants:
        names = [one.name for one in tenants if one.is_dir()]
    for name in names:
        yield from (folder / name).glob("*.toml")
