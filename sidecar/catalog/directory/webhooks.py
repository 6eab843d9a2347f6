"""The webhooks of a document, and what of them is in no order."""

from collections.abc import Iterator

from sidecar.catalog.directory.entries import Complaint, TablePlace, WebhookTable


class Webhooks:
    """What an import puts into a database. A daemon with its catalog in files tells none of them."""

    def __init__(self) -> None:
        self.tables: list[tuple[TablePlace, WebhookTable]] = []

    def add(self, place: TablePlace, table: WebhookTable) -> None:
        """Take a table that is in order."""
        self.tables.append((place, table))

    def complaints(self) -> Iterator[tuple[TablePlace, Complaint]]:
        """What is there twice, and what is told to nobody or to two."""
        names: set[tuple[str, str]] = set()
        for place, table in self.tables:
            if (table.tenant, table.name) in names:
                yield place, Complaint(("name",), f"the webhook {table.name!r} is there already")
            names.add((table.tenant, table.name))
            if (table.url is None) == (table.script is None):
                yield place, Complaint((), f"the webhook {table.name!r} has either url or script")
