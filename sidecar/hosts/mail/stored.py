"""Templates of mail as a catalog in a directory has them."""

from pathlib import Path

from sidecar.catalog.directory.mail_templates import (
    FILE_BYTES,
    MailTemplate,
    TemplateTable,
    UnusableTemplate,
    decode_template,
)
from sidecar.hosts.errors import HostError


def read_template(directory: Path, tenant: str, name: str) -> MailTemplate:
    """``templates/TENANT/NAME.toml`` of a catalog's directory. Raises HostError."""
    try:
        with (directory / TemplateTable(tenant=tenant, name=name).path).open("rb") as opened:
            content = opened.read(FILE_BYTES)
    except FileNotFoundError:
        raise HostError(f"there is no template {name!r}") from None
    except OSError as error:
        raise HostError(f"the template {name!r} cannot be read: {error.strerror}") from error
    try:
        found = decode_template(content)
    except UnusableTemplate as error:
        raise HostError(f"the template {name!r} cannot be read: {error}") from None
    return MailTemplate(subject=found.subject, text=found.text, html=found.html)
