"""What may be wrong with what is shared."""

from sidecar.errors import SidecarError


class SharedError(SidecarError):
    """Base of every error about what is shared. The message has no password in it."""


class SharedUnavailable(SharedError):
    """It does not answer, or not in time. Whether what was asked is done is not known; to be tried again."""


class SharedRefused(SharedError):
    """It does not do what was asked: a mistake of ours, which is in the log with its traceback."""


class SharedFull(SharedError):
    """There is no room for what was to be kept. Nothing of it was."""
