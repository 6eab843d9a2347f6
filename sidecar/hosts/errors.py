"""What a module of the host refuses a script."""

from sidecar.errors import SidecarError


class HostError(SidecarError):
    """What a script asked for cannot be: its promise is rejected with this message, as an error of this name."""

    def __init__(self, message: str, name: str = "Error") -> None:
        super().__init__(message)
        self.name = name


class HostUnavailable(HostError):
    """What a module works with does not answer: the same may be asked again later. Why it does not is in the log."""


class HostSlow(HostUnavailable):
    """What a module works with has not answered in the time that it was given: what was asked was too much for it, or
    it has too much to do."""


class HostFull(HostUnavailable):
    """What a module works with has no room left."""


class CoreModulesMissing(SidecarError):
    """What scripts have of Node was not made, or is not as it was made: the installation is not whole."""
