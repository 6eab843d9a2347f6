"""What goes wrong with npm modules. Each message names the package, file or address that it is about."""

from sidecar.errors import SidecarError


class NpmError(SidecarError):
    """Base of what this folder raises. Nothing of what was to be installed is."""


class StoreError(NpmError):
    """The folder of installed modules cannot be read or written as a whole."""
