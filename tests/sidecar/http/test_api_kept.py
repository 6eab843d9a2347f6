"""What scripts keep, over HTTP: rows and key-values are those that scripts have, and nobody else's."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.database_fixtures import DATABASES
from tests.database_servers import Servers, new_database
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.http.test_api_catalog import kind_of

COLUMNS = [
    {"name": "name", "type": "string", "indexed": True},
    {"name": "age", "type": "integer", "indexed": False},
    {"name": "rate", "type": "double", "indexed": False},
]
ROW = {"value": None, "name": "Bea", "age": 40, "rate": 0.5}


@pytest.fixture(scope="module", params=DATABASES)
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, servers: type[Servers]
) -> Iterator[PlatformDesk]:
    """A platform on each kind of database."""
    address = None if request.param == "sqlite" else new_database(request.param)
    desk = PlatformDesk(tmp_path_factory.mktemp("platform"), address)
    yield desk
    desk.stop()


def database(desk: PlatformDesk, name: str, columns: Any = COLUMNS) -> str:
    made = desk.acme.put(f"/api/v1/databases/{name}", json={"columns": columns})
    assert made.status_code == 201, made.text
    assert made.json() == {"name": name, "columns": columns}
    return f"/api/v1/databases/{name}"


def load(desk: PlatformDesk, path: str, text: str | bytes) -> httpx.Response:
    return desk.acme.post(f"{path}/import", content=text, headers={"content-type": "text/csv"})


def test_a_database_is_made_once_and_removed_with_its_rows(desk: PlatformDesk) -> None:
    path = database(desk, "people")
    again = desk.acme.put(path, json={"columns": COLUMNS})
    assert (again.status_code, again.json()["name"]) == (200, "people")
    assert kind_of(desk.acme.put(path, json={})) == (409, "already-there")
    assert desk.acme.get(path).json()["columns"] == COLUMNS
    assert "people" in [one["name"] for one in desk.acme.get("/api/v1/databases").json()["items"]]
    assert kind_of(desk.beta.get(path)) == (404, "not-there")
    assert kind_of(desk.beta.delete(path)) == (404, "not-there")
    desk.acme.put(f"{path}/rows/a", json={"name": "Bea"}).raise_for_status()
    assert desk.acme.delete(path).status_code == 204
    assert kind_of(desk.acme.get(f"{path}/rows")) == (404, "not-there")
    database(desk, "people")
    assert desk.acme.get(f"{path}/rows").json() == {"items": [], "next": None}
    steps = [one["action"] for one in desk.acme.get("/api/v1/audit").json()["items"] if one["object"] == "people"]
    assert steps == ["database.make", "database.remove", "database.make"]


@pytest.mark.parametrize(
    "columns",
    [
        [{"name": "key", "type": "string"}],
        [{"name": "a", "type": "string"}, {"name": "a", "type": "text"}],
        [{"name": "a", "type": "text", "indexed": True}],
        [{"name": "A", "type": "string"}],
        [{"name": "a", "type": "blob"}],
        [{"name": f"c{number}", "type": "string"} for number in range(51)],
        [{"name": "a; drop table tenants", "type": "string"}],
    ],
)
def test_columns_that_no_database_may_have(desk: PlatformDesk, columns: Any) -> None:
    assert kind_of(desk.acme.put("/api/v1/databases/wrong", json={"columns": columns})) == (422, "wrong-values")
    assert desk.acme.get("/api/v1/databases/wrong").status_code == 404
    assert desk.acme.put("/api/v1/databases/A'--", json={}).status_code == 422


def test_rows_are_made_put_in_their_place_read_and_removed(desk: PlatformDesk) -> None:
    path = database(desk, "places") + "/rows"
    made = desk.acme.post(path, json={"key": "a/b c", "name": "Bea", "age": 40, "rate": 0.5})
    assert (made.status_code, made.json()) == (201, {"key": "a/b c", **ROW})
    assert kind_of(desk.acme.post(path, json={"key": "a/b c"})) == (409, "already-there")
    assert desk.acme.get(f"{path}/a/b%20c").json()["name"] == "Bea"
    put = desk.acme.put(f"{path}/a%2Fb%20c", json={"key": "a/b c", "value": "x"})
    assert (put.status_code, put.json()) == (
        200, {"key": "a/b c", "value": "x", "name": None, "age": None, "rate": None},
    )  # fmt: skip
    assert desk.acme.put(f"{path}/new", json=ROW).status_code == 201
    assert kind_of(desk.beta.get(f"{path}/new")) == (404, "not-there")
    assert desk.acme.delete(f"{path}/new").status_code == 204
    assert kind_of(desk.acme.delete(f"{path}/new")) == (404, "not-there")
    for number in range(7):
        desk.acme.put(f"{path}/n{number}", json={"age": number}).raise_for_status()
    keys, after = [], ""
    while after is not None:
        found = desk.acme.get(path, params={"limit": 3, "after": after}).json()
        keys += [one["key"] for one in found["items"]]
        after = found["next"]
    assert keys == ["a/b c", *(f"n{number}" for number in range(7))]


@pytest.mark.parametrize(
    "row",
    [
        {"age": "old"},
        {"age": 1.5},
        {"age": 2**60},
        {"name": "x" * 257},
        {"name": ["x"]},
        {"no_such": 1},
        {"rate": True},
        {"key": "another"},
        {"name": "\x00"},
        {"value": {"a": 1}},
    ],
)
def test_a_row_that_its_database_cannot_have(desk: PlatformDesk, row: Any) -> None:
    desk.acme.put("/api/v1/databases/strict", json={"columns": COLUMNS})
    assert kind_of(desk.acme.put("/api/v1/databases/strict/rows/a", json=row)) == (422, "wrong-values")
    if "key" not in row:
        posted = desk.acme.post("/api/v1/databases/strict/rows", json={"key": "a", **row})
        assert kind_of(posted) == (422, "wrong-values")
    assert desk.acme.get("/api/v1/databases/strict/rows").json()["items"] == []


def test_what_is_exported_can_be_imported(desk: PlatformDesk) -> None:
    one, other = database(desk, "one"), database(desk, "other")
    rows = [
        {"key": 'a,"b"\r\n', "value": "two\nlines; =1+1", "name": "Ünï", "age": -(2**53) + 1, "rate": 1e-7},
        {"key": "b", "value": None, "name": None, "age": None, "rate": None},
        {"key": "c", "value": " x ", "name": "0123", "age": 0, "rate": 2.0},
    ]
    for row in rows:
        desk.acme.post(f"{one}/rows", json=row).raise_for_status()
    exported = desk.acme.get(f"{one}/export")
    assert exported.headers["content-type"].startswith("text/csv")
    assert exported.text.splitlines()[0] == "key,value,name,age,rate"
    assert load(desk, other, exported.content).json() == {"rows": 3, "made": 3}
    assert load(desk, other, b"\xef\xbb\xbf" + exported.content).json() == {"rows": 3, "made": 0}
    assert desk.acme.get(f"{other}/rows").json()["items"] == rows
    assert load(desk, other, "age,key\n7,b\n\n8,d\n").json() == {"rows": 2, "made": 1}
    assert [one["age"] for one in desk.acme.get(f"{other}/rows").json()["items"]] == [-(2**53) + 1, 7, 0, 8]
    assert kind_of(desk.beta.get(f"{one}/export")) == (404, "not-there")


def test_many_rows_go_in_and_come_out(desk: PlatformDesk) -> None:
    path = database(desk, "many")
    text = "key,age\r\n" + "".join(f"k{number:05},{number}\r\n" for number in range(2_345))
    assert load(desk, path, text).json() == {"rows": 2_345, "made": 2_345}
    lines = desk.acme.get(f"{path}/export").text.splitlines()
    assert lines[1:] == [f"k{number:05},,,{number}," for number in range(2_345)]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["line 1: expected the names of the columns, each once, and key among them"]),
        ("name\nx\n", ["line 1: expected the names of the columns, each once, and key among them"]),
        ("key,key\n", ["line 1: expected the names of the columns, each once, and key among them"]),
        ("key,nam\n", ["line 1: loaded has no column 'nam'; it has key, value, name, age, rate"]),
        ("key,age\na,1\nb,old\nc,1,2\n,3\na,4\n",
         ["line 3: age is a number",
          "line 4: it has 3 fields, where the first line has 2",
          "line 5: a key is a text of 1 to 512 characters",
          "line 6: the key 'a' is that of line 2"]),
        ('key,name\na,"b\n', ["line 2: unexpected end of data"]),
        (b"key\n\xff\n", ["it is not UTF-8 text from byte 4 on"]),
        ("key,age\na,1e999\n", ["line 2: age is a number"]),
        ("key,rate\na,1e999\n", ["line 2: rate is a number"]),
        ("key,value\na," + "x" * 200_001 + "\n", ["line 2: field larger than field limit (200000)"]),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_and_nothing_is_changed(
    desk: PlatformDesk, text: str | bytes, messages: list[str]
) -> None:
    path = "/api/v1/databases/loaded"
    desk.acme.put(path, json={"columns": COLUMNS})
    refused = load(desk, path, text)
    assert kind_of(refused) == (422, "wrong-values")
    assert refused.json()["messages"] == messages
    assert desk.acme.get(f"{path}/rows").json()["items"] == []


def test_keys_are_kept_listed_and_removed(desk: PlatformDesk) -> None:
    keys = "/api/v1/kv/keys"
    made = desk.acme.put(f"{keys}/a%2Fb", json={"value": "x", "life_seconds": 3_600})
    assert (made.status_code, made.json()) == (201, {"key": "a/b", "value": "x"})
    assert desk.acme.put(f"{keys}/a/b", json={"value": "ÿ"}).status_code == 200
    desk.acme.put(f"{keys}/long", json={"value": "x", "life_seconds": 3_600}).raise_for_status()
    assert desk.acme.get(f"{keys}/a/b").json()["value"] == "ÿ"
    assert kind_of(desk.beta.get(f"{keys}/a/b")) == (404, "not-there")
    first = desk.acme.get(keys, params={"limit": 1}).json()
    second = desk.acme.get(keys, params={"after": first["next"]}).json()
    assert (first["next"], second["next"]) == ("a/b", None)
    (entry,), (other,) = first["items"], second["items"]
    assert (entry["key"], entry["bytes"], entry["expires"]) == ("a/b", 2, None)
    assert other["expires"] > other["updated"] == other["created"]
    usage = desk.acme.get("/api/v1/kv").json()
    assert usage == {"keys": 2, "bytes": 10, "limit_keys": 100_000, "limit_bytes": 100_000_000}
    for key in ("a/b", "long"):
        assert desk.acme.delete(f"{keys}/{key}").status_code == 204
        assert kind_of(desk.acme.delete(f"{keys}/{key}")) == (404, "not-there")
    assert desk.acme.get("/api/v1/kv").json()["keys"] == 0


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("a", {"value": 1}),
        ("a", {}),
        ("a", {"value": "x", "life_seconds": -1}),
        ("a", {"value": "\x00"}),
        ("a", {"value": "x" * 990_001}),
        ("%C3%BF" * 257, {"value": "x"}),
        ("x" * 513, {"value": "x"}),
        ("%00", {"value": "x"}),
        ("", {"value": "x"}),
    ],
)
def test_what_no_key_may_have(desk: PlatformDesk, key: str, body: Any) -> None:
    assert kind_of(desk.acme.put(f"/api/v1/kv/keys/{key}", json=body)) == (422, "wrong-values")


def test_nobody_keeps_anything_for_a_tenant_that_is_not_there(desk: PlatformDesk) -> None:
    asked: Any = {"params": {"tenant": "nobody"}}
    for answer in (
        desk.operator.put("/api/v1/kv/keys/a", json={"value": "x"}, **asked),
        desk.operator.get("/api/v1/kv", **asked),
        desk.operator.put("/api/v1/databases/a", json={}, **asked),
        desk.operator.get("/api/v1/databases", **asked),
    ):
        assert kind_of(answer) == (404, "not-there")


def test_scripts_and_the_api_keep_the_same(desk: PlatformDesk) -> None:
    path = database(desk, "shared")
    desk.acme.put(f"{path}/rows/a", json={"name": "from the API"}).raise_for_status()
    desk.acme.put("/api/v1/kv/keys/shared", json={"value": "41"}).raise_for_status()
    desk.script(
        "keeper",
        """
        import { incr } from 'cxKV';
        import userspace from 'cxUserspace';
        export async function main() {
          await userspace.create('shared', 'b', { name: 'from a script' });
          const { name } = await userspace.read('shared', 'a');
          return { name, count: await incr('shared') };
        }
        """,
    )
    ran = desk.acme.post("/api/v1/scripts/keeper/run").json()
    assert ran["result"] == {"name": "from the API", "count": 42}, ran
    assert desk.acme.get(f"{path}/rows/b").json()["name"] == "from a script"
    assert desk.acme.get("/api/v1/kv/keys/shared").json()["value"] == "42"
    desk.acme.delete("/api/v1/kv/keys/shared").raise_for_status()
