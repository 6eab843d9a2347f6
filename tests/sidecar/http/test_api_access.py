"""Every route of the API with tokens that are no good for it: those of strangers, over, revoked, without the scope."""

import json
import re
from typing import Any, NamedTuple

import httpx
import pytest

from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import ECHO, PlatformDesk
from tests.sidecar.operations.test_call_search import keep, record

METHODS = ("get", "put", "post", "delete")
OPERATORS = {
    "/api/v1/tenants",
    "/api/v1/tenants/{name}",
    "/api/v1/tenants/{name}/limits",
    "/api/v1/tenants/{name}/modules",
    "/api/v1/audit/verify",
    "/api/v1/nodes",
}
"""Which a tenant's own token may not ask either."""
OPEN = ("/run", "/run/{function}", "/import")
"""Which take other bodies as well."""
NO_OBJECT = {"/api/v1/me", "/api/v1/check"}
"""Which are about nothing that somebody has."""
OWN_NAMES = ("/api/v1/databases/", "/api/v1/kv/", "/api/v1/queues/")
"""Below which every tenant has names of its own: a stranger may make the same, and has another thing."""
VALUES = {
    "app": "private",
    "name": "SECRET",
    "script": "private",
    "number": "1",
    "customer": "acme",
    "function": "main",
    "run": "0" * 32,
    "database": "private",
    "key": "private",
    "provider": "private",
    "did": "4930",
    "call": "private",
    "job": "0" * 32,
    "webhook": "private",
    "delivery": "0" * 32,
    "queue": "private",
    "schedule": "private",
    "message": "0" * 32,
}
BODIES: dict[tuple[str, str], Any] = {
    ("put", "/api/v1/tenants/{name}/limits"): {"runs_a_second": 1},
    ("put", "/api/v1/tenants/{name}/modules"): {"modules": {"moment": "*"}},
    ("post", "/api/v1/apps"): {"name": "x"},
    ("put", "/api/v1/apps/{app}"): {"name": "stolen"},
    ("post", "/api/v1/apps/{app}/scripts"): {"scripts": [{"name": "private.js", "text": ECHO, "seen": "*"}]},
    ("put", "/api/v1/apps/{app}/variables/{name}"): {"value": "stolen"},
    ("post", "/api/v1/scripts"): {"name": "x.js", "text": ECHO},
    ("post", "/api/v1/check"): {"text": ECHO},
    ("put", "/api/v1/scripts/{script}"): {"name": "x.js", "text": "export const main = () => 'stolen'\n"},
    ("put", "/api/v1/scripts/{script}/text"): {"text": "export const main = () => 'stolen'\n"},
    ("put", "/api/v1/assignments"): {"customer": "acme", "script": "private"},
    ("put", "/api/v1/customers/{customer}"): {"vars": {"stolen": 1}},
    ("put", "/api/v1/databases/{database}"): {},
    ("post", "/api/v1/databases/{database}/rows"): {"key": "private", "value": "stolen"},
    ("put", "/api/v1/databases/{database}/rows/{key}"): {"value": "stolen"},
    ("put", "/api/v1/kv/keys/{key}"): {"value": "stolen"},
    ("put", "/api/v1/providers/{provider}"): {"script": "driver", "company": "stolen"},
    ("post", "/api/v1/providers/{provider}/search"): {"number": "49"},
    ("put", "/api/v1/dids/{did}"): {"provider": "private", "customer": "stolen"},
    ("post", "/api/v1/dids/{did}/settle"): {},
    ("post", "/api/v1/jobs"): {"script": "private"},
    ("put", "/api/v1/queues/{queue}"): {"paused": True},
    ("post", "/api/v1/workers/{script}/messages"): {"data": "stolen"},
    ("put", "/api/v1/schedules/{schedule}"): {"script": "private", "cron": "0 0 29 2 *", "data": {"a": "stolen"}},
    ("put", "/api/v1/webhooks/{webhook}"): {"script": "private", "events": ["call.finished"]},
    ("post", "/api/v1/tokens"): {"name": "x", "scopes": ["read"]},
}


class Route(NamedTuple):
    """One operation."""

    method: str
    path: str

    def ask(self, client: httpx.Client, *, seen: bool = True, **more: Any) -> httpx.Response:
        """As whoever has seen what is there, or has not."""
        path = re.sub(r"{(\w+)}", lambda found: VALUES[found[1]], self.path)
        body = BODIES.get((self.method, self.path))
        headers = {"If-Match": "*"} if seen and self.method in ("put", "delete") else {}
        return client.request(self.method, path, json=body, headers=headers, **more)


@pytest.fixture(scope="module")
def routes(desk: PlatformDesk) -> list[Route]:
    """All of them, by the platform's own word; and something private of acme's at each."""
    described = desk.anybody.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    desk.acme.put("/api/v1/apps/private", json={"name": "private"}).raise_for_status()
    desk.acme.put("/api/v1/apps/private/variables/SECRET", json={"value": "acme's own"}).raise_for_status()
    desk.script("private", "export const main = () => 'acme only'\n", app="private")
    desk.acme.put("/api/v1/customers/acme", json={"vars": {"own": "acme only"}}).raise_for_status()
    desk.acme.put("/api/v1/assignments", json={"customer": "acme", "script": "private"}).raise_for_status()
    desk.acme.put("/api/v1/databases/private", json={}).raise_for_status()
    desk.acme.put("/api/v1/databases/private/rows/private", json={"value": "acme only"}).raise_for_status()
    desk.acme.put("/api/v1/kv/keys/private", json={"value": "acme only"}).raise_for_status()
    desk.script("driver", "export const allocate = () => ({ note: 'acme only' });\n", kind="driver")
    live = {"script": "driver", "mode": "live", "company": "acme only"}
    desk.operator.put("/api/v1/providers/private", params={"tenant": "acme"}, json=live).raise_for_status()
    desk.acme.put("/api/v1/dids/4930", json={"provider": "private"}).raise_for_status()
    keep(desk.call_records, "2025-11-28", record(1, id="private", tenant="acme", log=["acme only"]))
    later = {"script": "private", "delay_ms": 86_400_000, "data": "acme only"}
    VALUES["job"] = desk.acme.post("/api/v1/jobs", json=later).raise_for_status().json()["id"]
    yearly = {"script": "private", "cron": "0 0 29 2 *", "data": {"a": "acme only"}}
    desk.acme.put("/api/v1/schedules/private", json=yearly).raise_for_status()
    desk.script("taker", "export const main = () => { throw new Error('acme only'); };\n", kind="worker")
    sent = desk.acme.post("/api/v1/workers/taker/messages", json={"data": "acme only"}).raise_for_status()
    VALUES["message"] = sent.json()["id"]
    desk.acme.post("/api/v1/webhook-secret/rotate").raise_for_status()
    told = {"script": "private", "events": ["run.finished"]}
    desk.acme.put("/api/v1/webhooks/private", json=told).raise_for_status()
    VALUES["delivery"] = delivered(desk)
    return [Route(method, path) for path, found in described["paths"].items() for method in METHODS if method in found]


def delivered(desk: PlatformDesk) -> str:
    """The id of something that a webhook was to be told, and is not."""
    path = f"/run/{desk.acme.get('/api/v1/scripts/private').json()['uuid']}"
    desk.acme.post(path, headers={"Prefer": "respond-async"}).raise_for_status()

    def found() -> Any:
        return desk.acme.get("/api/v1/deliveries").json()["items"]

    wait_until(lambda: bool(found()) and found()[0]["state"] == "completed", "it is told")
    delivery: str = found()[0]["id"]
    return delivery


def picture(desk: PlatformDesk) -> Any:
    """All that acme has, as acme sees it."""
    paths = ["apps", "apps/private/variables", "scripts", "scripts/private/text", "assignments", "customers"]
    paths += ["databases", "databases/private/rows", "kv", "kv/keys", "kv/keys/private"]
    paths += ["providers", "dids", "calls", "calls/private"]
    paths += ["jobs", f"jobs/{VALUES['job']}", "queues", "schedules", "schedules/private"]
    paths += ["webhooks", "webhook-secret", "deliveries", f"deliveries/{VALUES['delivery']}"]
    return [desk.acme.get(f"/api/v1/{path}").json() for path in paths]


def test_there_are_as_many_routes_as_are_tried(routes: list[Route]) -> None:
    assert len(routes) >= 40
    assert {path for _, path in BODIES} <= {route.path for route in routes}
    assert {(method, path) for method, path in BODIES} <= set(routes)


def test_without_a_token_nobody_is_answered(desk: PlatformDesk, routes: list[Route]) -> None:
    revoked = desk.token("acme")
    number = desk.acme.get("/api/v1/tokens", params={"limit": 500}).json()["items"][-1]["id"]
    desk.acme.delete(f"/api/v1/tokens/{number}").raise_for_status()
    over = desk.token("acme")
    desk.sql("update tokens set expires = 1 where id = (select max(id) from tokens)")
    shown = [None, "sf_unknown", "x" * 5_000, revoked, over, over[:-1]]
    before = picture(desk)
    for route in routes:
        for text in (None, "sf_unknown", revoked, over) if route.method != "get" else shown:
            with desk.client(text) as client:
                answer = ask_again(route, client)
            assert (answer.status_code, answer.json()["type"]) == (401, "urn:scriptforge:unauthorized"), (route, text)
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert picture(desk) == before


def ask_again(route: Route, client: httpx.Client) -> httpx.Response:
    """A stranger is soon asked to wait; ask until there is an answer."""
    while (answer := route.ask(client)).status_code == 429:
        assert answer.headers["retry-after"] == "1"
    return answer


def test_a_stranger_finds_nothing_and_changes_nothing(desk: PlatformDesk, routes: list[Route]) -> None:
    before = picture(desk)
    for route in routes:
        if route.path in NO_OBJECT:
            continue
        answer = route.ask(desk.beta, seen=False)
        assert "acme only" not in answer.text, route
        assert "acme's own" not in answer.text, route
        expected = {403} if route.path in OPERATORS else {403, 404, 409, 428}
        if "{" not in route.path and route.path not in OPERATORS:
            expected |= {200, 201}
        if route.path.startswith(OWN_NAMES):
            expected |= {200, 201, 204, 422}
        assert answer.status_code in expected, (route, answer.text)
        # Nor by naming whose it is.
        assert route.ask(desk.beta).status_code in expected | {412}, route
        named = route.ask(desk.beta, params={"tenant": "acme"})
        assert named.status_code in (403, 404), (route, named.text)
    assert picture(desk) == before


def test_a_token_without_the_scope_is_told_which(desk: PlatformDesk, routes: list[Route]) -> None:
    tokens = {scope: desk.token("acme", scope) for scope in ("read", "write", "run", "admin")}
    before = picture(desk)
    for route in routes:
        if route.path in OPERATORS | {"/api/v1/me"}:
            continue
        needed = set()
        for scope, text in tokens.items():
            if route.method != "get" and scope == _likely(route):
                continue  # it would do it
            with desk.client(text) as client:
                answer = route.ask(client)
            if answer.status_code == 403:
                assert answer.json()["type"] == "urn:scriptforge:scope-missing", (route, answer.text)
                needed |= set(re.findall(r"scope=\"(\w+)\"", answer.headers["www-authenticate"]))
        assert len(needed) == 1, (route, needed)
        assert needed == {_likely(route)}, route
    assert picture(desk) == before


def _likely(route: Route) -> str:
    if route.path.startswith(("/api/v1/tokens", "/api/v1/audit", "/api/v1/webhook-secret")):
        return "admin"
    if (
        "/run" in route.path
        or "/jobs" in route.path
        or "/workers" in route.path
        or route.path.startswith("/api/v1/providers/{provider}/")
    ) and route.method != "get":
        return "run"
    return "read" if route.method == "get" or route.path == "/api/v1/check" else "write"


BAD_BODIES = (
    b"",
    b"{",
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'"x"',
    b"1e999",
    b'{"\\ud800": "\\udfff"}',
    b'{"name": {"a": 1}, "value": "\\u0000", "text": 1}',
)


def test_a_body_that_is_none_is_refused_on_every_route_that_takes_one(desk: PlatformDesk, routes: list[Route]) -> None:
    before = picture(desk)
    headers = {"content-type": "application/json", "if-match": "*"}
    described = desk.anybody.get("/api/v1/openapi.json").json()["paths"]
    taking = [one for one in routes if "requestBody" in described[one.path][one.method]]
    assert {(one.method, one.path) for one in taking} >= BODIES.keys()
    for route in taking:
        path = re.sub(r"{(\w+)}", lambda found: VALUES[found[1]], route.path)
        for who in (desk.acme, desk.operator):
            if "/run" in route.path and who is desk.operator:
                continue
            for content in BAD_BODIES:
                answer = who.request(route.method, path, content=content, headers=headers)
                expected = {400, 413, 422} | ({403} if route.path in OPERATORS else set())
                if who is desk.operator:
                    expected |= {404}  # there is nothing of that name of theirs
                needs_one = described[route.path][route.method]["requestBody"].get("required", False)
                if route.path.endswith(OPEN) or (not needs_one and content in (b"", b"null")):
                    expected |= {200, 201, 204}
                assert answer.status_code in expected, (route, content[:40], answer.text)
                assert answer.is_success or answer.headers["content-type"] == "application/problem+json", route
    assert picture(desk) == before


def test_a_body_that_is_too_long_is_refused_on_every_route(desk: PlatformDesk, routes: list[Route]) -> None:
    for route in routes:
        if route.method == "get":
            continue
        path = re.sub(r"{(\w+)}", lambda found: VALUES[found[1]], route.path)
        for headers in ({"content-type": "application/json"}, {"content-type": "text/csv"}):
            answer = desk.acme.request(route.method, path, content=b" " * 8_000_001, headers=headers)
            assert answer.status_code == 413, (route, answer.text)
            assert answer.json()["type"] == "urn:scriptforge:too-long"
    assert desk.log_lines("request_failed") == []
    assert desk.program.lines("Traceback") == []


ODD = (
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "%ff",
    "a%2fb",
    "'%20or%201=1--",
    "%22;drop%20table%20scripts--",
    "%",
    "x" * 300,
)


def test_odd_words_in_a_path_are_names_that_nobody_has(desk: PlatformDesk, routes: list[Route]) -> None:
    before = picture(desk)
    for route in routes:
        if "{" not in route.path or route.method == "put":
            continue
        for odd in ODD:
            path = re.sub(r"{(\w+)}", lambda _, odd=odd: odd, route.path)  # type: ignore[misc]
            status, body = desk.raw(route.method.upper(), path)
            # A key-value or a row of that name is none, and to remove it is no change.
            expected = {400, 403, 404, 405, 415, 422} | ({204} if route.method == "delete" else set())
            assert status in expected, (route, odd, body)
            assert b"acme only" not in body, (route, odd)
            assert b"root:" not in body, (route, odd)
    assert picture(desk) == before
    assert desk.log_lines("request_failed") == []


def test_the_operator_may_do_everything_of_every_tenant(desk: PlatformDesk, routes: list[Route]) -> None:
    for route in routes:
        if route.method == "get" and route.path not in OPERATORS and "versions" not in route.path:
            answer = route.ask(desk.operator, params={"tenant": "acme"})
            assert answer.status_code in (200, 404), (route, answer.text)
    run = desk.operator.post("/api/v1/scripts/private/run", params={"tenant": "acme"})
    assert run.json()["result"] == "acme only"
    unknown = desk.operator.get("/api/v1/apps", params={"tenant": "nobody"})
    assert unknown.status_code == 404


def test_operators_tokens_without_admin_are_no_masters(desk: PlatformDesk) -> None:
    with desk.client(desk.token("operator", "read", "write", "run")) as client:
        assert client.get("/api/v1/apps", params={"tenant": "acme"}).status_code == 404
        assert client.get("/api/v1/tenants").status_code == 403


def test_the_description_needs_no_token_and_has_every_error(desk: PlatformDesk) -> None:
    described = desk.anybody.get("/api/v1/openapi.json").json()
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert {"401", "403", "404", "422", "429", "503"} <= operation["responses"].keys(), path
            assert list(operation["responses"]["404"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in json.dumps(described)


def test_health_needs_no_token_and_says_little(desk: PlatformDesk) -> None:
    assert desk.anybody.get("/health").json() == {"healthy": True, "state": "serving"}
