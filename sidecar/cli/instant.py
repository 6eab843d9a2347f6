"""A time in an option: ``2026-10-25T02:30:00+01:00``, ``2026-10-25T00:30Z``, ``2026-10-25 09:00 Europe/Berlin``."""

import argparse
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_FORMS = "2026-10-25T09:00+01:00, 2026-10-25T08:00Z or '2026-10-25 09:00 Europe/Berlin'"


def instant(text: str) -> datetime:
    """Read one. Raises argparse.ArgumentTypeError where it is none, or leaves open in which zone it is."""
    words = text.split()
    zone = None
    if len(words) > 1 and words[-1][0].isalpha():
        try:
            zone = ZoneInfo(words.pop())
        except (KeyError, ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
            raise argparse.ArgumentTypeError(f"there is no time zone of that name: write {_FORMS}") from error
    try:
        read = datetime.fromisoformat(" ".join(words))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no time: write {_FORMS}") from error
    if (read.tzinfo is None) == (zone is None):
        raise argparse.ArgumentTypeError(f"leaves open in which zone it is: write {_FORMS}")
    try:
        return (read if zone is None else read.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise argparse.ArgumentTypeError(f"is beyond what there is of time: write {_FORMS}") from error
