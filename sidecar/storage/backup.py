"""The whole database in one file, written while everything goes on."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.errors import BackupError
from sidecar.storage.schema import read_state

_POSTGRESQL: Final = ("pg_dump",)
_MYSQL: Final = ("mariadb-dump", "mysqldump")
_PACKAGES: Final = {Database.POSTGRESQL: "postgresql-client", Database.MYSQL: "mariadb-client"}
_TOLD: Final = 2_000
"""Characters of what a program complains of."""


async def write_backup(url: DatabaseUrl, file: Path) -> None:
    """Write a database as it is at one moment to a file, which is nobody else's to read and is there once it is whole.

    Of SQLite it is a database again, of PostgreSQL pg_dump's own form, of MySQL SQL. One of another
    release is written as well: before it is upgraded is when it matters most. Raises BackupError, and StorageError
    where the database cannot be asked, or has no tables of ours.
    """
    _require_free(file)
    storage = Storage(url)
    draft = file.with_name(f".{file.name}.new")
    try:
        async with storage.reading() as connection:
            (await read_state(connection)).require_tables(url)
        try:
            os.close(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            if url.path is not None:
                await asyncio.to_thread(_write_sqlite, url.path, draft)
            else:
                await _run(url, draft)
            _to_disk(draft)
            os.link(draft, file)  # which replaces nothing
        except OSError as error:
            raise BackupError(f"{file}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        await storage.close()


def _write_sqlite(path: Path, draft: Path) -> None:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.execute("VACUUM INTO ?", (str(draft),))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BackupError(f"backup of {path}: {error}") from error


async def _run(url: DatabaseUrl, draft: Path) -> None:
    names = _POSTGRESQL if url.database is Database.POSTGRESQL else _MYSQL
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        raise BackupError(f"{names[0]} is not installed: apt-get install {_PACKAGES[url.database]}")
    environment = {**os.environ, "PGPASSWORD": url.password, "MYSQL_PWD": url.password}
    if url.tls_ca is not None:
        environment |= {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(url.tls_ca)}
    with draft.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program,
            *(_postgresql_arguments(url) if url.database is Database.POSTGRESQL else _mysql_arguments(url)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        _, complaint = await process.communicate()
    if process.returncode:
        raise BackupError(f"{names[0]}: {complaint.decode(errors='replace').strip()[:_TOLD]}")


def _postgresql_arguments(url: DatabaseUrl) -> list[str]:
    host = str(url.socket) if url.socket is not None else url.host
    arguments = ["--format=custom", "--no-password", f"--host={host}", f"--port={url.port or 5432}"]
    return [*arguments, *([f"--username={url.user}"] if url.user else []), f"--dbname={url.name}"]


def _mysql_arguments(url: DatabaseUrl) -> list[str]:
    arguments = ["--no-defaults", "--single-transaction", "--quick", "--hex-blob", "--default-character-set=utf8mb4"]
    if url.socket is not None:
        arguments.append(f"--socket={url.socket}")
    else:
        arguments += ["--protocol=tcp", f"--host={url.host}", f"--port={url.port or 3306}"]
    if url.tls_ca is not None:
        arguments += [f"--ssl-ca={url.tls_ca}"]
    return [*arguments, *([f"--user={url.user}"] if url.user else []), "--", url.name]


def _require_free(file: Path) -> None:
    if file.exists():
        raise BackupError(f"{file}: is there already")


def _to_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
