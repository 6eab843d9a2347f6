"""SQL of scripts is parsed, and what is not known to be harmless is refused by its name."""

import pytest

from sidecar.configuration.database_url import Database
from sidecar.hosts.errors import HostError
from sidecar.hosts.rows.statement import prepare

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
