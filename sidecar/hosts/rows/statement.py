"""SQL of scripts: parsed, and made anew of what is known to be harmless, over the tenant's own tables.

Nothing of the author's text reaches a database: names are those of the tenant's tables or plain identifiers, texts are
parameters, and every part of the statement is of a kind that stands in a list here.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.parsers.base import BaseParser

from sidecar.configuration.database_url import Database
from sidecar.hosts.errors import HostError
from sidecar.hosts.rows.model import VALUE_CHARACTERS

STATEMENT_CHARACTERS: Final = 4_000
"""A longer one takes the parser some 10 ms, which is everybody's."""
DEPTH: Final = 60
SELECTED: Final = 100
"""Columns that a query may name: each of them may be a long text, in every row."""
STARS: Final = 4
"""Of one statement, each of which is all columns of something."""
STEPS_OF_TOKEN: Final = 10
"""That the parser may go forth and back, for each word of a statement; those that people write take two."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_DIALECTS: Final = {Database.SQLITE: "sqlite", Database.POSTGRESQL: "postgres", Database.MYSQL: "mysql"}
_CHANGING: Final = (exp.Insert, exp.Update, exp.Delete)
_STATEMENTS: Final = (exp.Select, exp.SetOperation, *_CHANGING)
_PARTS: Final[frozenset[type[exp.Expr]]] = frozenset(
    (
        *(exp.Select, exp.Subquery, exp.Union, exp.Intersect, exp.Except, exp.CTE, exp.With),
        *(exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset),
        *(exp.Distinct, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star),
        *(exp.Literal, exp.Boolean, exp.Null, exp.Placeholder, exp.Paren, exp.Tuple),
        *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between),
        *(exp.Like, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.Case, exp.If, exp.Exists),
        *(exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Lower, exp.Upper, exp.Length, exp.Substring, exp.Trim),
        *(exp.Coalesce, exp.Nullif, exp.Round, exp.Abs),
        *(exp.Insert, exp.Values, exp.Schema, exp.Update, exp.Delete),
    )
)


class Statement(msgspec.Struct, frozen=True):
    """A statement as a database is told it, and what it needs."""

    sql: str
    """With ``:name`` for each parameter."""
    texts: Mapping[str, str]
    """Parameters that stand for texts of the statement itself."""
    names: frozenset[str]
    """Parameters that the script gives."""
    changes: bool
    """Whether it changes rows, and gives none."""
    more: int = 0
    """By which step it makes more or fewer rows: 1, -1 or 0."""


@lru_cache(maxsize=1_000)
def prepare(text: str, tables: tuple[tuple[str, str], ...], database: Database) -> Statement:
    """A statement over these tables, each by the name that scripts know it by and its own. Raises HostError."""
    if len(text) > STATEMENT_CHARACTERS:
        raise HostError(f"a statement has at most {STATEMENT_CHARACTERS} characters", "RangeError")
    try:
        parsed = _parse(text)
    except (SqlglotError, RecursionError) as error:
        raise HostError(f"it is no SQL: {_where(error)}", "SyntaxError") from None
    if len(parsed) != 1:
        raise HostError("sql takes one statement", "SyntaxError")
    statement = parsed[0]
    if not isinstance(statement, _STATEMENTS):
        raise HostError("sql takes select, insert, update and delete", "SyntaxError")
    try:
        _check(statement)
    except RecursionError as error:
        raise HostError(_where(error), "SyntaxError") from None
    _name_tables(statement, dict(tables))
    _bound_texts(statement)
    texts, names = _parameters(statement)
    try:
        made = statement.sql(dialect=_DIALECTS[database], identify=True, comments=False)
        if database is Database.SQLITE:
            # It takes what is in double quotes for a text where there is no such column. No name or text has one here.
            made = made.replace('"', "`")
    except (SqlglotError, RecursionError) as error:
        raise HostError(f"it cannot be said to this database: {_where(error)}", "SyntaxError") from None
    more = isinstance(statement, exp.Insert) - isinstance(statement, exp.Delete)
    return Statement(made, texts, names, isinstance(statement, _CHANGING), more)


def _parse(text: str) -> list[exp.Expr]:
    """Raises HostError for what has the parser try too much, and what the parser raises."""
    dialect = Dialect.get_or_raise(None)
    tokens = dialect.tokenize(text)
    parser = _Parser(dialect, STEPS_OF_TOKEN * (len(tokens) + 1))
    return [one for one in parser.parse(tokens, text) if one is not None]


class _Parser(BaseParser):
    """sqlglot's, with an end: each type in brackets it reads twice, and ``int(int(int(...`` would take it for ever."""

    def __init__(self, dialect: Dialect, steps: int) -> None:
        super().__init__(dialect=dialect)
        self._steps_left = steps

    def _advance(self, times: int = 1) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            # Not one of the parser's own errors, after which it tries something else.
            raise HostError("the statement is nested too deeply", "SyntaxError")
        super()._advance(times)


def _check(statement: exp.Expr) -> None:
    stars = 0
    for node in statement.walk():
        stars += isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count)
        if stars > STARS:
            raise HostError(f"a statement has at most {STARS} stars", "RangeError")
        if isinstance(node, exp.Select) and len(node.expressions) > SELECTED:
            raise HostError(f"a select has at most {SELECTED} columns", "RangeError")
        if type(node) not in _PARTS:
            raise HostError(f"{type(node).__name__} is not available in sql: {_shown(node)}", "SyntaxError")
        if node.depth > DEPTH:
            raise HostError("the statement is nested too deeply", "SyntaxError")
        if isinstance(node, exp.Identifier) and _IDENTIFIER.fullmatch(node.name) is None:
            raise HostError(f"{node.name[:60]!r} is no name in sql", "SyntaxError")
        if isinstance(node, exp.With) and node.args.get("recursive"):
            raise HostError("a recursive query is not available in sql", "SyntaxError")
        if isinstance(node, exp.In) and node.args.get("field") is not None:
            # SQLite takes the name for a table's, whoever's.
            raise HostError("in takes a list or a query in brackets: key in (...)", "SyntaxError")
        if isinstance(node, exp.Insert) and not isinstance(node.this, exp.Schema):
            raise HostError("insert names its columns: insert into name (key, ...)", "SyntaxError")
        unknown = _more(node)
        if unknown:
            raise HostError(f"{unknown} is not available in sql", "SyntaxError")


_KNOWN_TEXTS: Final = {"side", "kind", "method", "distinct", "is_string", "quoted", "desc", "nulls_first", "big_int"}


def _more(node: exp.Expr) -> str:
    """What a node has that is no node and that is not known to be harmless."""
    for name, value in node.args.items():
        if isinstance(value, exp.Expr) or not value or name in _KNOWN_TEXTS:
            continue
        if isinstance(value, list) and all(isinstance(one, exp.Expr) for one in value):
            continue
        if name == "this" and isinstance(node, exp.Identifier | exp.Literal | exp.Placeholder | exp.Boolean):
            continue
        if value is True:
            if name in ("exists", "ignore", "overwrite"):
                return name
            continue
        return f"{name} {str(value)[:40]}"
    return ""


def _name_tables(statement: exp.Expr, tables: Mapping[str, str]) -> None:
    """Have the statement name the tenant's own tables, and no others."""
    made_here = _name_queries(statement)
    target = statement.this.this if isinstance(statement, exp.Insert) else statement.this
    renamed = {}
    for table in list(statement.find_all(exp.Table)):
        name = table.name
        if table.args.get("db") or table.args.get("catalog") or not isinstance(table.this, exp.Identifier):
            raise HostError(f"{_shown(table)} is no database of yours", "ReferenceError")
        if name in made_here and table is not target:
            table.set("this", exp.to_identifier(made_here[name]))
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
            continue
        real = tables.get(name)
        if real is None:
            raise HostError(f"there is no database {name[:60]!r}", "ReferenceError")
        if isinstance(statement, _CHANGING) and table is target:
            if table.alias:
                raise HostError("the database that is changed has no other name in sql", "SyntaxError")
            renamed[name] = real
        elif not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
        table.set("this", exp.to_identifier(real))
    for column in statement.find_all(exp.Column):
        if column.table in renamed:
            column.set("table", exp.to_identifier(renamed[column.table]))


def _bound_texts(statement: exp.Expr) -> None:
    """Have no text that is put together be longer than a row keeps: by doubling it would soon have a gigabyte."""
    for node in list(statement.find_all(exp.DPipe)):
        length = exp.Literal.number(VALUE_CHARACTERS)
        cut = exp.Substring(start=exp.Literal.number(1), length=length)
        node.replace(cut)
        cut.set("this", node)


def _name_queries(statement: exp.Expr) -> dict[str, str]:
    """Give the queries of ``with`` names that no table has, by those that the script knows them by. Their own would
    mean a table outside of what they are seen in, and within themselves, whoever's it is."""
    made: dict[str, str] = {}
    for query in statement.find_all(exp.CTE):
        name = made.setdefault(query.alias, f"query_{len(made)}")
        query.args["alias"].set("this", exp.to_identifier(name))
    return made


def _parameters(statement: exp.Expr) -> tuple[dict[str, str], frozenset[str]]:
    texts: dict[str, str] = {}
    names = set()
    for node in list(statement.walk()):
        if isinstance(node, exp.Literal) and node.is_string:
            name = f"text_{len(texts)}"
            texts[name] = node.name
            node.replace(exp.var(f":{name}"))
        elif isinstance(node, exp.Placeholder):
            if not node.name or _IDENTIFIER.fullmatch(node.name) is None:
                raise HostError("a parameter is written :name", "SyntaxError")
            names.add(node.name)
            node.replace(exp.var(f":given_{node.name}"))
    return texts, frozenset(names)


def _shown(node: exp.Expr) -> str:
    return node.sql(unsupported_level=ErrorLevel.IGNORE)[:60]


def _where(error: BaseException) -> str:
    found: Any = getattr(error, "errors", None)
    if found:
        first = found[0]
        return f"{first.get('description')} (line {first.get('line')}, column {first.get('col')})"[:300]
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n")[0][:200]
