"""What the queue refuses."""

from sidecar.errors import SidecarError


class QueueError(SidecarError):
    """Base of every refusal. Nothing was changed."""


class WrongJob(QueueError):
    """What is asked for is no job: an option that is out of its range, data that is too long."""


class NoSuchScript(QueueError):
    """The tenant has no such script."""


class NoSuchJob(QueueError):
    """The tenant has no such job."""


class QueueFull(QueueError):
    """The tenant has as many jobs as it may."""


class WrongState(QueueError):
    """A job is in a state in which that cannot be done with it."""


class LeaseLost(QueueError):
    """A job is not the asker's any more: another one has it, or it is over, or gone."""


class NoSuchSchedule(QueueError):
    """The tenant has no such schedule."""


class StillRunning(QueueError):
    """A schedule's last job is not over, and it never runs twice at once."""


class NoSuchMessage(QueueError):
    """The mailbox has no such message."""
