"""Templates of mail as they are kept, and where those of a catalog in a directory are."""

from pathlib import Path
from typing import Final

import msgspec

from sidecar.file_name import file_name_of
from sidecar.hosts.errors import HostError

_FILE_BYTES: Final = 1_000_000


class MailTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template; what of it is empty is not in the mail."""

    subject: str = ""
    text: str = ""
    html: str = ""


def read_template(directory: Path, tenant: str, name: str) -> MailTemplate:
    """``templates/TENANT/NAME.toml`` of a catalog's directory. Raises HostError."""
    file = directory / "templates" / file_name_of(tenant) / f"{file_name_of(name)}.toml"
    try:
        with file.open("rb") as opened:
            content = opened.read(_FILE_BYTES)
    except FileNotFoundError:
        raise HostError(f"there is no template {name!r}") from None
    except OSError as error:
        raise HostError(f"the template {name!r} cannot be read: {error.strerror}") from error
    try:
        return msgspec.toml.decode(content, type=MailTemplate)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HostError(f"the template {name!r} cannot be read: {error}") from None
