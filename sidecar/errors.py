"""The errors of this package."""


class SidecarError(Exception):
    """Base of every error that sidecar raises."""


class ConfigurationError(SidecarError):
    """The operator's configuration cannot be used. The message names the file and the key."""


class CatalogError(SidecarError):
    """Scripts or assignments cannot be used as a whole. The running ones stay."""


class RefusedCatalogError(CatalogError):
    """A catalog that was loaded to be run by and cannot be. Each of its problems has been logged."""
