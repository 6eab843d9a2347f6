"""What scripts keep, rows and key-values, as the API takes and gives it."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sidecar.hosts.key_values.batch import LONGEST_SECONDS
from sidecar.hosts.rows.model import COLUMNS, ColumnType
from sidecar.http.json_values import sound_table
from sidecar.http.shapes import DATABASE_NAME, Body, RowKey, Shape, SourceText, Time


class Column(BaseModel):
    """A column of a database of rows."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    name: str = Field(pattern=DATABASE_NAME)
    type: ColumnType
    indexed: bool = False


class RowDatabase(Shape):
    """A database of rows."""

    name: str
    columns: list[Column] = Field(description="Beside ``key`` and ``value``, which every database has.")


class RowDatabaseBody(Body):
    """What a database is to have."""

    columns: list[Column] = Field([], max_length=COLUMNS, description="Beside ``key`` and ``value``.")


class NewRow(BaseModel):
    """A row that is to be made: its key, and its other columns by their names."""

    model_config = ConfigDict(extra="allow")

    key: RowKey

    @model_validator(mode="after")
    def _columns_are_sound(self) -> Self:
        sound_table(self.columns)
        return self

    @property
    def columns(self) -> dict[str, Any]:
        """All but the key."""
        return self.model_extra or {}


class Imported(BaseModel):
    """What came of rows in CSV."""

    rows: int
    made: int = Field(description="Of them those that were not there before.")


class KeySpace(BaseModel):
    """How much a tenant keeps by key, and may."""

    keys: int
    bytes: int
    limit_keys: int
    limit_bytes: int


class KeyEntry(Shape):
    """A key."""

    key: str
    bytes: int = Field(description="Of its value as UTF-8.")
    created: Time
    updated: Time
    expires: Time | None


class KeyValue(BaseModel):
    """A key and what it has."""

    key: str
    value: str


class KeyValueBody(Body):
    """What a key is to have."""

    value: SourceText
    life_seconds: float = Field(0, ge=0, le=LONGEST_SECONDS, allow_inf_nan=False, description="0 is for ever.")
