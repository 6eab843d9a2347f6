"""When something is due, from a cron text and a time zone. Times are microseconds since 1970.

Clock changes are as Debian's cron has them. Of a text that names both minutes and hours a time that a change skips is
due once, right after it, and one that a change doubles is due the first time alone. One that runs at every hour, or at
every so many minutes, goes on by the time that passes.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from sidecar.schedules.errors import WrongTimetable

MICROS: Final = 1_000_000
CRON_CHARACTERS: Final = 256
ZONE_CHARACTERS: Final = 64
FIELDS: Final = 5
"""A sixth, of seconds, is not cron's."""
COMPARED: Final = 64
"""Due times that are looked at for the least interval between two of them."""
_ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIRST_SPAN: Final = timedelta(minutes=4)
_LONGEST_SPAN: Final = timedelta(days=366 * 8)
"""A 29th of February comes once in eight years at worst."""


class Timetable(msgspec.Struct, frozen=True, kw_only=True):
    """Five fields of cron (minute, hour, day of the month, month, day of the week), or a word such as ``@daily``, by
    the clocks of a time zone. Raises WrongTimetable."""

    cron: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        zone_of(self.zone)
        try:
            next(self.after(0), None)
        except CronSimError as error:
            message = f"{self.cron[:CRON_CHARACTERS]!r} is no cron text: {str(error).lower()}"
            raise WrongTimetable(message) from None

    def after(self, moment: int) -> Iterator[int]:
        """The times that are due after a moment, each later than the one before; they end where nothing is due for
        fifty years."""
        begin = datetime.fromtimestamp(moment // MICROS, UTC).astimezone(zone_of(self.zone))
        last = moment
        for found in CronSim(_fields(self.cron), begin):
            due = int(found.timestamp()) * MICROS
            # Of an hour that a clock change doubles the second one would be told by the clock of the first.
            if due > last:
                last = due
                yield due

    def until(self, moment: int, number: int, since: int) -> Sequence[int]:
        """The last so many times that were due after ``since`` and up to a moment, in their order. Takes no longer for
        being asked after a year."""
        span = _FIRST_SPAN
        while True:
            begin = max(since, moment - span // timedelta(microseconds=1))
            found: list[int] = []
            for due in self.after(begin):
                if due > moment:
                    break
                found.append(due)
            if len(found) >= number or begin == since or span > _LONGEST_SPAN:
                return found[-number:] if number else []
            span *= 4

    def least_interval(self, moment: int) -> int | None:
        """The least time between two of the next due ones, in microseconds; None where there are not two."""
        return min((late - early for early, late in pairwise(islice(self.after(moment), COMPARED))), default=None)


@lru_cache(maxsize=1_024)
def zone_of(name: str) -> tzinfo:
    """A time zone by its name, as ``Europe/Berlin``. Raises WrongTimetable."""
    if name == "UTC":
        return UTC
    try:
        if len(name) <= ZONE_CHARACTERS:
            return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        pass
    raise WrongTimetable(f"there is no time zone {name[:ZONE_CHARACTERS]!r}: it is called as `Europe/Berlin` or `UTC`")


def cron_of(
    *,
    minutes: Sequence[int],
    hours: Sequence[int] = (),
    days_of_month: Sequence[int] = (),
    days_of_week: Sequence[int] = (),
) -> str:
    """A multiple choice as cron text: of what nothing is chosen of every one is meant. 0 and 7 are Sunday. Where both
    sorts of days are chosen either is due. Raises WrongTimetable without a minute."""
    if not minutes:
        raise WrongTimetable("minutes: at least one is needed")
    fields = (minutes, hours, days_of_month, (), days_of_week)
    return " ".join(",".join(map(str, sorted(set(field)))) if field else "*" for field in fields)


def _fields(cron: str) -> str:
    text = _ALIASES.get(cron.strip().lower(), cron)
    if len(text) > CRON_CHARACTERS or len(text.split()) != FIELDS:
        raise CronSimError(f"expected {FIELDS} fields: minute, hour, day of the month, month, day of the week")
    return text
