"""Column types that mean the same in every database. Migrations use them: what one means never changes."""

from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import LONGTEXT, VARBINARY
from sqlalchemy.types import TypeEngine

_UTF8_BYTES = 4

Number = BigInteger().with_variant(Integer(), "sqlite")
"""A whole number of 64 bits; as a primary key one that SQLite counts up."""
LongText = Text().with_variant(LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
"""Text of any length, which is never compared."""


class Exact(TypeDecorator[str]):
    """A text of at most so many characters that equals itself alone: MySQL takes texts for equal that differ in case,
    accents or spaces at their ends, and so has its bytes."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that a database has for it."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(VARBINARY(self.length * _UTF8_BYTES))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """The text as a database takes it."""
        return value.encode() if value is not None and dialect.name in ("mysql", "mariadb") else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - the base's
        """The text as a database gives it."""
        return bytes(value).decode() if isinstance(value, (bytes, bytearray)) else value
