"""What goes wrong with npm modules. Each message names the package, file or address that it is about."""

from sidecar.errors import SidecarError


class NpmError(SidecarError):
    """Base of what this folder raises. Nothing of what was to be installed is."""


class StoreError(NpmError):
    """The folder of installed modules cannot be read or written as a whole."""


class RegistryError(NpmError):
    """A registry cannot be reached, or answers with what is none of its answers."""


class UnknownPackage(NpmError):
    """There is no package of that name, or no version of it that a range takes."""


class LockError(NpmError):
    """A lock file cannot be used."""


class IntegrityError(NpmError):
    """What was fetched is not what the lock file or the registry says it is."""


class PackageRefused(NpmError):
    """A package is not one that is installed: its archive, its native code or its licence."""


class BundleError(NpmError):
    """A package cannot be made one text."""
