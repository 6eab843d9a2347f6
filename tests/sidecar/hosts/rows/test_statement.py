"""SQL of scripts is parsed, and what is not known to be harmless is refused by its name."""

import pytest
import sqlglot
from sqlglot import exp

from sidecar.configuration.database_url import Database
from sidecar.hosts.errors import HostError
from sidecar.hosts.rows.statement import Statement, prepare

TABLES = (("porting", "rows_7"), ("other", "rows_8"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("select * from sqlite_master", "there is no database 'sqlite_master'"),
        ("select * from rows_7", "there is no database 'rows_7'"),
        ("select * from main.porting", "main.porting is no database of yours"),
        ("select * from a.b.porting", "is no database of yours"),
        ("select key from other where key in (select key from tenants)", "there is no database 'tenants'"),
        ("with porting as (select * from tenants) select * from porting", "there is no database 'tenants'"),
        ("update tenants set name = 'x'", "there is no database 'tenants'"),
        ("delete from porting using tenants", "there is no database 'tenants'"),
        ("select load_extension('x')", "Anonymous is not available in sql: LOAD_EXTENSION"),
        ("select pg_sleep(10)", "Anonymous is not available in sql: PG_SLEEP"),
        ("select current_user", "CurrentUser is not available in sql"),
        ("select @@version", "Parameter is not available in sql"),
        ("select randomblob(1000000000)", "not available in sql"),
        ("select * from generate_series(1, 100000000)", "no database of yours|not available"),
        ("select * into x from porting", "Into is not available in sql"),
        ("select key from porting for update", "Lock is not available in sql"),
        ("select key from porting; drop table porting", "sql takes one statement"),
        ("drop table porting", "sql takes select, insert, update and delete"),
        ("attach database 'x' as y", "sql takes select, insert, update and delete|it is no SQL"),
        ("pragma journal_mode", "sql takes select, insert, update and delete|it is no SQL"),
        ("insert into porting values ('x')", "insert names its columns"),
        ("insert or replace into porting (key) values ('a')", "alternative replace is not available in sql"),
        ("insert into porting (key) values ('a') on conflict do nothing", "OnConflict is not available in sql"),
        ("update porting set n = 1 returning key", "Returning is not available in sql"),
        ("with recursive a as (select 1 union select 1 from a) select * from a", "a recursive query is not"),
        ("select ? from porting", "a parameter is written :name"),
        ('select "a b" from porting', "'a b' is no name in sql"),
        ("select key as \"x:y\" from porting", "'x:y' is no name in sql"),
        ("select 'x", "it is no SQL"),
        ("selec key", "sql takes select|it is no SQL"),
        ("", "sql takes one statement"),
        ("select 1" + ", value" * 100 + " from porting", "a select has at most 100 columns"),
        ("select p.*, p.*, p.*, p.*, p.* from porting p", "a statement has at most 4 stars"),
        ("(" * 900, "it is no SQL"),
        ("select " + "-" * 1 + "(" * 100 + "1" + ")" * 100, "nested too deeply"),
        ("select '" + "x" * 4_000 + "'", "a statement has at most 4000 characters"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database", Database)
def test_what_is_not_known_to_be_harmless_is_refused(text: str, told: str, database: Database) -> None:
    with pytest.raises(HostError, match=told):
        prepare(text, TABLES, database)


@pytest.mark.parametrize("database", Database)
def test_no_text_of_the_author_s_reaches_the_database(database: Database) -> None:
    made = prepare("select 'a'':b', key /* c:d */ from porting where value like 'x%' -- e:f", TABLES, database)
    assert sorted(made.texts.values()) == ["a':b", "x%"]
    assert made.sql.count(":") == 2
    assert not {"a'", "c:d", "e:f", "x%"} & set(made.sql.split())


def test_tables_are_the_tenant_s_and_keep_the_names_that_the_author_knows() -> None:
    made = prepare("select porting.key from porting join other o on o.key = porting.key", TABLES, Database.POSTGRESQL)
    assert made.sql == (
        'SELECT "porting"."key" FROM "rows_7" AS "porting" JOIN "rows_8" AS "o" ON "o"."key" = "porting"."key"'
    )


@pytest.mark.parametrize("database", Database)
@pytest.mark.parametrize(
    "text",
    [
        "select * from tokens where exists (with tokens as (select 1 as a) select a from tokens)",
        "with tokens as (select * from tokens) select * from tokens",
        "with a as (select * from tokens), tokens as (select 1 as b) select * from a",
        "select * from (with tokens as (select 1 as a) select * from tokens) as x join tokens as t on 1 = 1",
        "insert into porting (key) select name from tokens where exists (with tokens as (select 1) select 1)",
    ],
)
def test_a_query_of_with_names_no_table_where_it_is_not_seen(text: str, database: Database) -> None:
    assert not _tables_of(prepare(text, TABLES, database)) - {"rows_7", "query_0", "query_1"}


@pytest.mark.parametrize("database", Database)
@pytest.mark.parametrize("text", ["delete from tokens", "update tokens set name = 'x'"])
def test_a_query_of_with_is_nothing_that_can_be_changed(text: str, database: Database) -> None:
    with pytest.raises(HostError, match="there is no database 'tokens'"):
        prepare(f"with tokens as (select 1 as name) {text}", TABLES, database)


def test_a_query_of_with_goes_on_under_its_name() -> None:
    made = prepare("with a as (select key from porting) select a.key from a", TABLES, Database.SQLITE)
    assert made.sql == (
        "WITH `query_0` AS (SELECT `key` FROM `rows_7` AS `porting`) SELECT `a`.`key` FROM `query_0` AS `a`"
    )


@pytest.mark.parametrize("database", Database)
def test_in_names_no_table(database: Database) -> None:
    with pytest.raises(HostError, match="in takes a list or a query in brackets"):
        prepare("select 1 from porting where key in alembic_version", TABLES, database)


@pytest.mark.parametrize("word", ["int(", "decimal(", "char(", "timestamp(", "array["])
def test_what_the_parser_would_try_for_ever_is_refused(word: str) -> None:
    closing = ")" if word.endswith("(") else "]"
    with pytest.raises(HostError, match="nested too deeply"):
        prepare("select " + word * 40 + "1" + closing * 40 + " from porting", TABLES, Database.SQLITE)


def _tables_of(statement: Statement) -> set[str]:
    return {table.name for table in sqlglot.parse_one(statement.sql, dialect="sqlite").find_all(exp.Table)}
