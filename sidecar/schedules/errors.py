"""What is no schedule."""

from sidecar.errors import SidecarError


class WrongTimetable(SidecarError):
    """A text that names no times, or a time zone that there is not."""
