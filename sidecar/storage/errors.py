"""What may be wrong with a database."""

from sidecar.errors import SidecarError


class StorageError(SidecarError):
    """Base of every error about a database. The message has no password in it."""


class DatabaseUnreachable(StorageError):
    """The database does not answer, or does not let us in. To be tried again."""


class DatabaseFull(StorageError):
    """There is no room for what was to be written. Nothing of it was."""


class DatabaseBusy(StorageError):
    """Another one held the database for longer than we wait. Nothing was written; to be tried again."""


class SchemaError(StorageError):
    """The database's tables are not those that this release works on. The message says what to do."""


class BackupError(StorageError):
    """There is no backup, or a file is in its way. The message says what to do."""
