"""The errors of this package. What became of a script is never one of them: that is an Outcome."""


class SandboxError(Exception):
    """Base of every error that sandbox raises."""


class ConfinementRefused(SandboxError):
    """The kernel or the container refused a part of the confinement, and running without it is not allowed."""


class EngineMissing(SandboxError):
    """The package is installed where, or so that, it has no JavaScript engine."""


class WorkerFailed(SandboxError):
    """A worker process could not be started, or died before it was ready. The message has its own last words."""
