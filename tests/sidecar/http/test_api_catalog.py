"""The catalog over HTTP: what is saved is there, in use, and in the audit."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.database_fixtures import DATABASES
from tests.database_servers import Servers, new_database
from tests.sidecar.http.platform_desk import ECHO, PlatformDesk

PROBLEM = "application/problem+json"
COUNTS = "import { incr } from 'cxKV';\nexport const main = () => incr('runs');\n"


@pytest.fixture(scope="module", params=DATABASES)
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, servers: type[Servers]
) -> Iterator[PlatformDesk]:
    """A platform on each kind of database."""
    address = None if request.param == "sqlite" else new_database(request.param)
    desk = PlatformDesk(tmp_path_factory.mktemp("platform"), address)
    yield desk
    desk.stop()


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    """The status of a problem, and which."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return answer.status_code, body["type"].removeprefix("urn:scriptforge:")


def test_who_asks(desk: PlatformDesk) -> None:
    found = desk.acme.get("/api/v1/me").json()
    assert (found["tenant"], found["operator"]) == ("acme", False)
    assert found["scopes"] == ["admin", "read", "run", "write"]
    other = desk.operator.get("/api/v1/me", params={"tenant": "acme"}).json()
    assert (other["tenant"], other["operator"]) == ("acme", True)


def test_a_tenant_is_made_once_by_the_operator(desk: PlatformDesk) -> None:
    assert desk.operator.put("/api/v1/tenants/gamma").status_code == 201
    again = desk.operator.put("/api/v1/tenants/gamma")
    assert (again.status_code, again.json()["name"]) == (200, "gamma")
    assert "gamma" in [one["name"] for one in desk.operator.get("/api/v1/tenants").json()["items"]]
    assert kind_of(desk.acme.put("/api/v1/tenants/delta")) == (403, "not-allowed")
    assert kind_of(desk.operator.get("/api/v1/tenants/delta")) == (404, "not-there")


def test_an_app_is_made_named_and_removed(desk: PlatformDesk) -> None:
    made = desk.acme.put("/api/v1/apps/shop", json={"name": "Shop"})
    assert (made.status_code, made.json()) == (201, {"id": "shop", "name": "Shop"})
    assert desk.acme.get("/api/v1/apps/shop").headers["etag"] == made.headers["etag"]
    numbered = desk.acme.post("/api/v1/apps", json={"name": "Second"})
    assert numbered.headers["location"] == f"/api/v1/apps/{numbered.json()['id']}"
    tag = {"If-Match": made.headers["etag"]}
    named = desk.acme.put("/api/v1/apps/shop", json={"name": "Store"}, headers=tag)
    assert named.json()["name"] == "Store"
    assert kind_of(desk.acme.delete("/api/v1/apps/shop", headers=tag)) == (412, "changed-meanwhile")
    assert desk.acme.delete("/api/v1/apps/shop", headers={"If-Match": named.headers["etag"]}).status_code == 204
    assert kind_of(desk.acme.get("/api/v1/apps/shop")) == (404, "not-there")


def test_two_who_edit_the_same_do_not_overwrite_each_other(desk: PlatformDesk) -> None:
    made = desk.acme.put("/api/v1/apps/edited", json={"name": "a"})
    assert kind_of(desk.acme.put("/api/v1/apps/edited", json={"name": "b"})) == (428, "precondition-required")
    assert desk.acme.get("/api/v1/apps/edited").json()["name"] == "a"
    seen = {"If-Match": made.headers["etag"]}
    assert desk.acme.put("/api/v1/apps/edited", json={"name": "b"}, headers=seen).status_code == 200
    late = desk.acme.put("/api/v1/apps/edited", json={"name": "c"}, headers=seen)
    assert kind_of(late) == (412, "changed-meanwhile")
    assert late.headers["etag"] == desk.acme.get("/api/v1/apps/edited").headers["etag"]
    assert desk.acme.put("/api/v1/apps/edited", json={"name": "d"}, headers={"If-Match": "*"}).status_code == 200


def test_the_same_put_once_more_changes_nothing(desk: PlatformDesk) -> None:
    first = desk.acme.put("/api/v1/apps/again", json={"name": "a"})
    before = desk.acme.get("/api/v1/audit", params={"limit": 1}).json()["items"][0]["number"]
    second = desk.acme.put("/api/v1/apps/again", json={"name": "a"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["etag"] == second.headers["etag"]
    assert desk.acme.get("/api/v1/audit", params={"limit": 1}).json()["items"][0]["number"] == before


def test_what_must_be_new_or_there(desk: PlatformDesk) -> None:
    assert kind_of(desk.acme.put("/api/v1/apps/n", json={"name": "n"}, headers={"If-Match": "*"})) == (412, "not-there")
    only_new = {"If-None-Match": "*"}
    assert desk.acme.put("/api/v1/apps/n", json={"name": "n"}, headers=only_new).status_code == 201
    assert kind_of(desk.acme.put("/api/v1/apps/n", json={"name": "m"}, headers=only_new)) == (412, "already-there")
    bad = desk.acme.put("/api/v1/apps/n", json={"name": "m"}, headers={"If-Match": "none"})
    assert kind_of(bad) == (400, "bad-condition")


def test_a_protected_variable_is_not_read_back(desk: PlatformDesk) -> None:
    desk.acme.put("/api/v1/apps/secrets", json={"name": "secrets"})
    where = "/api/v1/apps/secrets/variables/KEY"
    made = desk.acme.put(where, json={"value": "s3cret", "protected": True})
    assert (made.status_code, made.json()["value"]) == (201, "****")
    assert desk.acme.put(where, json={"value": "s3cret", "protected": True}).status_code == 200
    assert kind_of(desk.acme.put(where, json={"value": "other", "protected": True})) == (428, "precondition-required")
    mask = desk.acme.put(where, json={"value": "****", "protected": True}, headers={"If-Match": "*"})
    assert kind_of(mask) == (422, "wrong-values")
    assert desk.acme.get(where).json()["value"] == "****"
    listed = desk.acme.get("/api/v1/apps/secrets/variables").json()["items"]
    assert [one["value"] for one in listed] == ["****"]
    desk.script("reads", "export const main = () => process.env.KEY;\n", app="secrets")
    assert desk.acme.post("/api/v1/scripts/reads/run").json()["result"] == "s3cret"
    assert "s3cret" not in desk.acme.get("/api/v1/audit", params={"limit": 500}).text
    assert "s3cret" not in "".join(desk.program.lines("."))
    desk.acme.delete("/api/v1/scripts/reads", headers={"If-Match": "*"})
    assert desk.acme.delete(where, headers={"If-Match": "*"}).status_code == 204
    assert kind_of(desk.acme.delete(where)) == (404, "not-there")


def test_a_script_that_does_not_parse_is_refused_with_its_place(desk: PlatformDesk) -> None:
    desk.script("broken")
    body = {"text": "export function main() {\n  return 1 +;\n}\n"}
    refused = desk.acme.put("/api/v1/scripts/broken/text", json=body, headers={"If-Match": "*"})
    assert kind_of(refused) == (422, "script-refused")
    first = refused.json()["problems"][0]
    assert (first["file"], first["line"], first["severity"]) == ("broken.js", 2, "error")
    assert first["column"] > 1
    assert desk.acme.get("/api/v1/scripts/broken/text").json()["text"] == ECHO
    assert desk.acme.post("/api/v1/check", json={**body, "name": "x.js"}).json()["problems"][0]["file"] == "x.js"
    assert desk.acme.post("/api/v1/check", json={"text": ECHO}).json() == {"problems": []}
    # Nobody else's save is refused for it.
    desk.script("sound", client=desk.beta)


@pytest.mark.parametrize("text", ["// \x00\nexport function main() {}\n", "// \ud800\nexport function main() {}\n"])
def test_a_text_that_no_database_could_hold(desk: PlatformDesk, text: str) -> None:
    desk.script("holds")
    body = json.dumps({"text": text})
    json_type = {"content-type": "application/json", "If-Match": "*"}
    answer = desk.acme.put("/api/v1/scripts/holds/text", content=body, headers=json_type)
    assert kind_of(answer) == (422, "wrong-values")
    assert desk.acme.get("/api/v1/scripts/holds/text").json()["text"] == ECHO


def test_versions_are_kept_compared_and_rolled_back(desk: PlatformDesk) -> None:
    made = desk.script("kept", "export const main = () => 1;\n", note="the first")
    for number in (2, 3):
        body = {"text": f"export const main = () => {number};\n", "note": f"number {number}"}
        desk.acme.put("/api/v1/scripts/kept/text", json=body, headers={"If-Match": "*"}).raise_for_status()
    assert desk.acme.post("/api/v1/scripts/kept/run").json()["result"] == 3
    page = desk.acme.get("/api/v1/scripts/kept/versions", params={"limit": 2}).json()
    assert [(one["number"], one["note"]) for one in page["items"]] == [(3, "number 3"), (2, "number 2")]
    rest = desk.acme.get("/api/v1/scripts/kept/versions", params={"before": page["next"]}).json()
    assert ([one["number"] for one in rest["items"]], rest["next"]) == ([1], None)
    first = desk.acme.get("/api/v1/scripts/kept/versions/1").json()
    assert first["hash"] == hashlib.sha256(first["text"].encode()).hexdigest() == made["hash"]
    diff = desk.acme.get("/api/v1/scripts/kept/versions/1/diff", params={"to": 2}).json()["diff"]
    assert diff.startswith("--- kept.js@1\n+++ kept.js@2\n")
    assert "-export const main = () => 1;\n+export const main = () => 2;\n" in diff
    restored = desk.acme.post("/api/v1/scripts/kept/versions/1/restore", headers={"If-Match": "*"})
    assert (restored.json()["version"], restored.json()["hash"]) == (4, made["hash"])
    assert desk.acme.post("/api/v1/scripts/kept/run").json()["result"] == 1
    assert kind_of(desk.acme.get("/api/v1/scripts/kept/versions/9")) == (404, "not-there")


def test_scripts_of_an_app_are_saved_together_or_not_at_all(desk: PlatformDesk) -> None:
    desk.acme.put("/api/v1/apps/together", json={"name": "together"})
    where = "/api/v1/apps/together/scripts"
    one, two = ({"name": f"{name}.js", "text": f"export const main = () => '{name}';\n"} for name in ("one", "two"))
    made = desk.acme.post(where, json={"scripts": [{**one, "public": True}, two], "note": "both"})
    assert [(found["name"], found["version"], found["app"]) for found in made.json()["items"]] == [
        ("one.js", 1, "together"),
        ("two.js", 1, "together"),
    ]
    # The same once more changes nothing; who has not seen what is there changes nothing either.
    assert desk.acme.post(where, json={"scripts": [one, two]}).json() == made.json()
    changed = {**two, "text": "export const main = () => 'three';\n"}
    broken = {**one, "text": "export const main = () =>\n  ;\n", "seen": "*"}
    assert kind_of(desk.acme.post(where, json={"scripts": [changed]})) == (428, "precondition-required")
    refused = desk.acme.post(where, json={"scripts": [{**changed, "seen": "*"}, broken]})
    assert kind_of(refused) == (422, "script-refused")
    assert {found["file"] for found in refused.json()["problems"]} == {"one.js"}
    listed = desk.acme.get("/api/v1/scripts", params={"app": "together"}).json()["items"]
    assert [found["version"] for found in listed] == [1, 1]
    saved = desk.acme.post(where, json={"scripts": [{**changed, "seen": "*"}]}).json()["items"][0]
    assert (saved["version"], saved["uuid"]) == (2, made.json()["items"][1]["uuid"])
    assert desk.acme.post(f"/api/v1/scripts/{saved['id']}/run").json()["result"] == "three"
    assert desk.anybody.get(f"/run/{made.json()['items'][0]['uuid']}").text == "one"
    late = {**changed, "text": ECHO, "seen": "0123456789abcdef"}
    assert kind_of(desk.acme.post(where, json={"scripts": [late]})) == (412, "changed-meanwhile")
    assert kind_of(desk.acme.post(where, json={"scripts": [one, one]})) == (422, "wrong-values")
    assert kind_of(desk.beta.post(where, json={"scripts": [one]})) == (404, "not-there")


def test_files_of_an_app_import_each_other_and_a_save_of_one_is_in_the_others_at_once(desk: PlatformDesk) -> None:
    desk.acme.put("/api/v1/apps/price", json={"name": "price"})
    where = "/api/v1/apps/price/scripts"
    price = "import { tax } from './tax';\nexport const main = ({ n }) => tax(n);\nexport const base = (n) => n * 10;\n"
    tax = (
        "import { base } from './price';\nexport const tax = (n: number): number => base(n) * 2;\n"
        "export const shown = ({ n }: { n: number }) => tax(n);\n"
    )
    files = [{"name": "price.js", "text": price}, {"name": "tax.ts", "text": tax}]
    assert kind_of(desk.acme.post(where, json={"scripts": files[:1]})) == (422, "script-refused")
    made = desk.acme.post(where, json={"scripts": files})
    assert made.status_code == 200, made.text
    one, two = made.json()["items"]
    run = f"/api/v1/scripts/{one['id']}/run"
    assert desk.acme.post(run, json={"n": 5}).json()["result"] == 100
    assert desk.acme.post(f"/api/v1/scripts/{two['id']}/run/shown", json={"n": 3}).json()["result"] == 60
    text = f"/api/v1/scripts/{two['id']}/text"
    seen = {"If-Match": "*"}
    desk.acme.put(text, json={"text": tax.replace("2", "3")}, headers=seen).raise_for_status()
    assert desk.acme.post(run, json={"n": 5}).json()["result"] == 150
    refused = desk.acme.put(
        text, json={"text": tax.replace("tax = ", "vat = ").replace("tax(n)", "vat(n)")}, headers=seen
    )
    assert kind_of(refused) == (422, "script-refused")
    told = [found for found in refused.json()["problems"] if found["severity"] == "error"]
    assert [(found["file"], found["line"], found["column"]) for found in told] == [("price.js", 1, 10)]
    assert desk.acme.post(run, json={"n": 5}).json()["result"] == 150
    assert kind_of(desk.acme.delete(f"/api/v1/scripts/{two['id']}", headers=seen)) == (409, "still-used")
    assigned = desk.acme.put("/api/v1/assignments", json={"customer": "acme", "script": two["id"]})
    assert kind_of(assigned) == (422, "wrong-values")
    assert "has no `main`" in assigned.text
    renamed = [
        {"name": "price.js", "text": price.replace("{ tax }", "{ vat as tax }"), "seen": "*"},
        {"name": "tax.ts", "text": tax.replace("tax = ", "vat = ").replace("tax(n)", "vat(n)"), "seen": "*"},
    ]
    assert [one["version"] for one in desk.acme.post(where, json={"scripts": renamed}).json()["items"]] == [2, 3]
    restored = desk.acme.post(f"/api/v1/scripts/{two['id']}/versions/1/restore", headers=seen)
    assert kind_of(restored) == (422, "script-refused")


def test_scripts_are_listed_in_pages(desk: PlatformDesk) -> None:
    desk.acme.put("/api/v1/apps/many", json={"name": "many"})
    for number in range(5):
        desk.script(f"many{number}", app="many")
    found: list[str] = []
    after = ""
    while True:
        page = desk.acme.get("/api/v1/scripts", params={"app": "many", "limit": 2, "after": after}).json()
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == [f"many{number}" for number in range(5)]
    numbered = desk.acme.post("/api/v1/scripts", json={"name": "new.js", "text": ECHO})
    assert (numbered.status_code, numbered.json()["name"]) == (201, "new.js")


def test_files_of_an_app_are_looked_through_together_and_nothing_is_saved(desk: PlatformDesk) -> None:
    def check(**body: object) -> list[tuple[str, int, int, str]]:
        told = desk.acme.post("/api/v1/check", json=body).json()["problems"]
        return [(one["file"], one["line"], one["column"], one["message"]) for one in told]

    main = "import { tax } from './lib/tax'\nexport const main = () => tax;\n"
    assert check(text=main, name="a.js")[0][:3] == ("a.js", 1, 21)
    assert check(text=main, name="a.js", files={"lib/tax.ts": "export const tax: number = 1;"}) == []
    found = check(text=main, name="a.js", files={"lib/tax.ts": "export const tax2 = 1;", "b.json": "[1,]"})
    assert [one[0] for one in found] == ["a.js", "b.json"]
    assert found[0] == ("a.js", 1, 10, "'./lib/tax' has no export 'tax'; it has tax2")
    desk.acme.put("/api/v1/apps/looked", json={"name": "Looked"})
    saved = {"scripts": [{"name": "a.js", "text": main}, {"name": "lib/tax.ts", "text": "export const tax = 1;"}]}
    desk.acme.post("/api/v1/apps/looked/scripts", json=saved).raise_for_status()
    assert check(text="export const tax = 2;", name="lib/tax.ts", app="looked")[1:] == []
    (would_not_go_on,) = check(text="export const other = 2;", name="lib/tax.ts", app="looked")
    assert would_not_go_on[:3] == ("a.js", 1, 10)
    assert kind_of(desk.acme.post("/api/v1/check", json={"text": "", "app": "no such"})) == (404, "not-there")


def test_an_assignment_is_made_changed_and_removed(desk: PlatformDesk) -> None:
    desk.script("routes")
    body = {"customer": "acme", "route": "premium", "script": "routes", "vars": {"margin": 1.5}}
    made = desk.acme.put("/api/v1/assignments", json=body)
    assert (made.status_code, made.json()["type"], made.json()["vars"]) == (201, "route", {"margin": 1.5})
    assert desk.acme.put("/api/v1/assignments", json=body).status_code == 200
    changed = {**body, "timeout_ms": 200}
    assert kind_of(desk.acme.put("/api/v1/assignments", json=changed)) == (428, "precondition-required")
    tag = {"If-Match": made.headers["etag"]}
    assert desk.acme.put("/api/v1/assignments", json=changed, headers=tag).json()["timeout_ms"] == 200
    where = made.headers["location"]
    found = desk.acme.get("/api/v1/assignments", params={"script": "routes"}).json()["items"]
    assert [one["id"] for one in found] == [made.json()["id"]]
    assert kind_of(desk.acme.delete("/api/v1/scripts/routes", headers={"If-Match": "*"})) == (409, "still-used")
    assert desk.acme.delete(where, headers={"If-Match": "*"}).status_code == 204
    assert kind_of(desk.acme.get(where)) == (404, "not-there")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"script": "taken"}, (422, "wrong-values")),
        ({"script": "taken", "did": "1", "destination": "2"}, (422, "wrong-values")),
        ({"script": "no such", "customer": "acme"}, (404, "not-there")),
        ({"script": "taken", "customer": "beta"}, (403, "not-allowed")),
        ({"script": "taken", "did": "441"}, (403, "not-allowed")),
        ({"script": "taken", "customer": "acme", "timeout_action": "nothing"}, (422, "wrong-values")),
        ({"script": "taken", "customer": "acme", "vars": {"routing": 1}}, (422, "wrong-values")),
        ({"script": "taken", "did": "abc"}, (422, "wrong-values")),
        ({"script": "taken", "destination": "x y"}, (422, "wrong-values")),
        ({"script": "taken", "destination": "1", "timeout_ms": 20}, (422, "wrong-values")),
        ({"script": "taken", "did": "1", "route": "x"}, (422, "wrong-values")),
        ({"script": "taken", "customer": "acme", "route": " north"}, (422, "wrong-values")),
    ],
)
def test_an_assignment_that_is_refused(desk: PlatformDesk, body: object, expected: tuple[int, str]) -> None:
    desk.script("taken")
    assert kind_of(desk.acme.put("/api/v1/assignments", json=body)) == expected


def test_a_did_is_one_however_it_is_written(desk: PlatformDesk) -> None:
    desk.script("dialled", client=desk.operator)
    made = desk.operator.put("/api/v1/assignments", json={"script": "dialled", "did": "+49 30 77"})
    assert (made.status_code, made.json()["number"]) == (201, "+49 30 77")
    again = {"script": "dialled", "did": "493077", "timeout_ms": 50}
    assert kind_of(desk.operator.put("/api/v1/assignments", json=again)) == (428, "precondition-required")
    refused = desk.operator.put("/api/v1/assignments", json={**again, "did": "+49 no"}).json()
    assert refused["messages"] == ["did: '+49 no' is no number: expected digits, such as '+442079460123'"]


def test_a_customers_vars(desk: PlatformDesk) -> None:
    made = desk.acme.put("/api/v1/customers/acme", json={"vars": {"a": {"b": [1, None]}}})
    assert kind_of(made) == (422, "wrong-values")
    made = desk.acme.put("/api/v1/customers/acme", json={"vars": {"a": {"b": [1]}}})
    assert (made.status_code, made.json()) == (201, {"customer": "acme", "vars": {"a": {"b": [1]}}})
    assert desk.acme.get("/api/v1/customers").json()["items"] == [made.json()]
    assert kind_of(desk.acme.put("/api/v1/customers/beta", json={"vars": {}})) == (403, "not-allowed")
    assert desk.acme.delete("/api/v1/customers/acme", headers={"If-Match": made.headers["etag"]}).status_code == 204


def test_a_token_is_shown_once_and_revoked(desk: PlatformDesk) -> None:
    made = desk.acme.post("/api/v1/tokens", json={"name": "for a desk", "scopes": ["read"]}).json()
    assert made["token"].startswith("sf_")
    number, text = made["id"], made.pop("token")
    with desk.client(text) as mine:
        assert mine.get("/api/v1/scripts").status_code == 200
        assert kind_of(mine.put("/api/v1/apps/x", json={"name": "x"})) == (403, "scope-missing")
        assert text not in desk.acme.get("/api/v1/tokens", params={"limit": 500}).text
        assert desk.acme.get(f"/api/v1/tokens/{number}").json()["last_used"] is not None
        assert desk.acme.delete(f"/api/v1/tokens/{number}").status_code == 204
        assert kind_of(mine.get("/api/v1/scripts")) == (401, "unauthorized")
    assert desk.acme.delete(f"/api/v1/tokens/{number}").status_code == 204
    assert text not in desk.acme.get("/api/v1/audit", params={"limit": 500}).text
    for wrong in (
        {"scopes": ["root"]},
        {"scopes": ["read"], "expires": "2001-01-01T00:00:00Z"},
        {"scopes": ["read"], "expires": "2031-01-01T00:00:00"},
    ):
        assert kind_of(desk.acme.post("/api/v1/tokens", json={"name": "x", **wrong})) == (422, "wrong-values")


def test_every_change_is_in_the_audit_with_who_and_from_where(desk: PlatformDesk) -> None:
    desk.acme.put("/api/v1/apps/audited", json={"name": "a"})
    entry = desk.acme.get("/api/v1/audit", params={"limit": 1}).json()["items"][0]
    assert (entry["action"], entry["object"], entry["tenant"]) == ("app.make", "audited", "acme")
    assert entry["who"].startswith("token ")
    assert entry["source"] == "127.0.0.1"
    assert (entry["before"], entry["after"]) == (None, {"id": "audited", "name": "a"})
    everyone = desk.operator.get("/api/v1/audit", params={"everyone": True, "limit": 500}).json()["items"]
    assert {one["tenant"] for one in everyone} >= {"acme", "operator"}
    assert {one["tenant"] for one in desk.beta.get("/api/v1/audit").json()["items"]} <= {"beta"}
    found = desk.operator.get("/api/v1/audit/verify").json()
    assert found["intact"]
    assert found["entries"] >= len(everyone)


@pytest.mark.parametrize("database", DATABASES)
def test_usage_is_a_tenants_by_minute(tmp_path: Path, database: str, servers: type[Servers]) -> None:
    desk = PlatformDesk(tmp_path, None if database == "sqlite" else new_database(database))
    desk.acme.put("/api/v1/apps/metered", json={"name": "metered"})
    desk.script("metered", COUNTS, app="metered")
    for number in range(3):
        assert desk.acme.post("/api/v1/scripts/metered/run").json()["result"] == number + 1
    wide = {"since": "2020-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    assert kind_of(desk.acme.get("/api/v1/usage", params=wide)) == (422, "wrong-values")
    # What the minute under way has is written at its end, or the process's.
    assert desk.stop() == 0
    desk.start()
    with desk.client(desk.acme.headers["authorization"].removeprefix("Bearer ")) as acme:
        found = [one for one in acme.get("/api/v1/usage").json() if one["app"] == "metered"]
    with desk.client(desk.operator_token) as operator:
        assert operator.get("/api/v1/usage", params={"tenant": "beta"}).json() == []
    assert sum(one["runs"] for one in found) == 3
    assert sum(one["cpu_us"] for one in found) > 0
    assert sum(one["host_calls"] for one in found) == 3
    assert sum(one["bytes"] for one in found) == 3
    assert all(one["minute"].endswith(":00Z") for one in found)
    desk.stop()
