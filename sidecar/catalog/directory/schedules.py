"""The schedules of a document, and what of them is in no order."""

from collections.abc import Iterator

from sidecar.catalog.directory.entries import Complaint, ScheduleTable, TablePlace
from sidecar.schedules.errors import WrongTimetable
from sidecar.schedules.timetable import Timetable


class Schedules:
    """What an import puts into a database. A daemon with its catalog in files does nothing with it."""

    def __init__(self) -> None:
        self.tables: list[tuple[TablePlace, ScheduleTable]] = []

    def add(self, place: TablePlace, table: ScheduleTable) -> None:
        """Take a table that is in order."""
        self.tables.append((place, table))

    def complaints(self) -> Iterator[tuple[TablePlace, Complaint]]:
        """What is there twice, and what names no times."""
        ids: set[tuple[str, str]] = set()
        for place, table in self.tables:
            if (table.tenant, table.id) in ids:
                yield place, Complaint(("id",), f"the schedule {table.id!r} is there already")
            ids.add((table.tenant, table.id))
            for key, cron, zone in (("zone", "@daily", table.zone), ("cron", table.cron, "UTC")):
                try:
                    Timetable(cron=cron, zone=zone)
                except WrongTimetable as error:
                    yield place, Complaint((key,), f"{key}: {error}")
