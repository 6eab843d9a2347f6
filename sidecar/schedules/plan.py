"""What is made of the due times that have come, pure.

Whoever looks makes one run at most, and only once the run before is over: so a schedule never runs twice at once. What
came due meanwhile, or while nobody looked, was missed, and the schedule says what becomes of it.
"""

from enum import StrEnum
from typing import Final

import msgspec

from sidecar.schedules.timetable import MICROS, Timetable

ON_TIME_SECONDS: Final = 60
"""What is due for no longer was not missed: a platform may just have been started anew."""
MOST_RUNS: Final = 100
"""Of missed ones that are made up for."""
COUNTED: Final = 1_000
"""Missed ones that are counted; 1,000 stands for as many or more."""


class Missed(StrEnum):
    """What becomes of runs that were missed."""

    ONCE = "once"
    """One makes up for all of them."""
    ALL = "all"
    """Each is made up for, one after the other; of more than so many the last ones."""
    NONE = "none"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a schedule comes to."""

    run: int | None
    """The due time that there is a run for; None for none."""
    missed: int
    """Due times that there is none for, up to `COUNTED`."""
    next: int | None
    """What is due next, which may have come already; None where nothing is."""
    was_missed: bool = False
    """Whether the run makes up for one that was missed."""


def turn(timetable: Timetable, missed: Missed, most: int, due: int, now: int) -> Turn:
    """What is to be done about a schedule that was due at a time that has come. ``most`` is of `Missed.ALL`."""
    coming = next(timetable.after(due), None)
    if coming is None or coming > now:
        # As it mostly is: the one look at the timetable takes 40 us, and there may be 10,000 that are due at once.
        passed = [due]
    else:
        passed = list(timetable.until(now, COUNTED + 1, due - 1))
        if not passed or (passed[0] > due and len(passed) <= COUNTED):
            # It is due by what its text was before, and by that of now perhaps not.
            passed.insert(0, due)
        coming = next(timetable.after(now), None)
    last = passed[-1]
    is_late = now - last >= ON_TIME_SECONDS * MICROS
    left_out = min(COUNTED, len(passed) - 1)
    if missed is Missed.ALL:
        kept = passed[-max(1, most) :]
        following = kept[1] if len(kept) > 1 else coming
        return Turn(
            run=kept[0],
            missed=min(COUNTED, len(passed) - len(kept)),
            next=following,
            was_missed=len(kept) > 1 or is_late,
        )
    if missed is Missed.NONE and is_late:
        return Turn(run=None, missed=min(COUNTED, len(passed)), next=coming)
    return Turn(run=last, missed=left_out, next=coming, was_missed=is_late)
