"""``manifest.json`` of the folder of installed modules: what is installed, of what it is made, and its hashes."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from sidecar.npm.errors import StoreError

FILE_NAME: Final = "manifest.json"
MANIFEST_BYTES: Final = 16_000_000
"""Of one that is read: sixteen modules of 110 packages have 60,000."""

_FileName = Annotated[str, Meta(pattern=r"^[^/\x00]{1,255}$")]
"""Of a file beside the manifest, and of none elsewhere."""
_Sha512 = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")]


class HashedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file beside the manifest."""

    file: _FileName
    sha512: _Sha512


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a script may name, and the text that it is then given."""

    name: str
    """As written in quotes: ``csv-parse``, ``csv-parse/lib/sync``."""
    text: HashedFile
    requires: tuple[str, ...]
    """The core modules of Node that the text requires, without ``node:``, sorted."""
    absent: tuple[str, ...] = ()
    """Packages that the text asks for and does without where they are not there, as they are not."""
    es_module: bool
    """Whether the package has an ES module there: then ``module.exports.default`` is its default export, else
    ``module.exports`` itself."""


class BundledPackage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package that code of a module's texts is from, the module's own among them."""

    name: str
    version: str
    licence: str
    """SPDX expression; of a package that states none, what the operator has stated."""
    integrity: str
    """Of its archive as the registry has it: ``sha512-`` and base64. Empty for a text of our own in its stead."""


class Module(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of one module that is installed."""

    name: str
    version: str
    entries: tuple[Entry, ...]
    packages: tuple[BundledPackage, ...]
    notices: HashedFile
    """The licences' texts of all packages."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is installed: by name, the versions of one name from the oldest to the newest."""

    format: Literal[1] = 1
    modules: tuple[Module, ...] = ()

    def without(self, name: str, version: str | None = None) -> "Manifest":
        """The same without a module: all its versions, or one."""
        return Manifest(
            modules=tuple(one for one in self.modules if one.name != name or version not in {None, one.version})
        )


def read_manifest(content: bytes) -> Manifest:
    """Raises StoreError."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(f"{FILE_NAME}: {error}") from None


def manifest_bytes(manifest: Manifest) -> bytes:
    """As the file has it, for people to read too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
