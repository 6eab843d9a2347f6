"""Scripts run over HTTP by whoever may: what they are given, what comes of it, and who is refused."""

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import PlatformDesk

CLICK = r"""
export async function send({ key, phone }) {
  if (key !== process.env.KEY) throw new Error('401 Unauthorized');
  if (!/^\d{6,15}$/.test(phone)) throw new Error('400 No Phone');
  return { status: 'calling' };
}
function secret() { return process.env.KEY; }
export function main() {}
"""
ANSWERS = r"""
export const text = () => '<b>bold</b>';
export const number = () => 42.5;
export const whole = () => 7;
export const yes = () => true;
export const nothing = () => {};
export const list = () => [1, new Date(0), undefined, () => 1];
export const date = () => ({ at: new Date(0), left: undefined });
export const throwsPair = () => { throw [409, 'Taken'] };
export const rejectsPair = async () => Promise.reject([451]);
export const tooLow = () => { throw new Error('399 Low') };
export const sip = () => { throw new Error('603 Declined') };
export const typeError = () => null.x;
export const plain = () => { throw 'just text' };
export const circle = () => { const a = {}; a.a = a; return a };
export const big = () => 10n;
export const spin = () => { for (;;); };
export const never = () => new Promise(() => {});
export const large = () => 'x'.repeat(2_000_000);
export const memory = () => { const a = []; for (;;) a.push(new Array(1e5).fill(1)) };
export function main() {}
"""
NOT_FOUND = {"error": "Function not found", "name": "Error"}


@pytest.fixture(scope="module")
def click(desk: PlatformDesk) -> str:
    """The page of click to call."""
    desk.acme.put("/api/v1/apps/click", json={"name": "click"}).raise_for_status()
    key = {"value": "s3cret", "protected": True, "private": True, "locked": True}
    desk.acme.put("/api/v1/apps/click/variables/KEY", json=key).raise_for_status()
    return f"/run/{desk.script('click', CLICK, app='click', public=True)['uuid']}"


@pytest.fixture(scope="module")
def answers(desk: PlatformDesk) -> str:
    """The page of what comes of runs."""
    return f"/run/{desk.script('answers', ANSWERS, public=True)['uuid']}"


@pytest.fixture(scope="module")
def echo(desk: PlatformDesk) -> str:
    """The page that gives back what it was given."""
    return f"/run/{desk.script('echo', public=True)['uuid']}/main"


def test_a_call_is_asked_for_by_form_json_and_query(desk: PlatformDesk, click: str) -> None:
    given = {"key": "s3cret", "phone": "4930123"}
    for answer in (
        desk.anybody.post(f"{click}/send", data=given),
        desk.anybody.post(f"{click}/send", json=given),
        desk.anybody.get(f"{click}/send", params=given),
        desk.anybody.post(f"{click.replace('/run/', '/api/script/')}/send", data=given),
        desk.anybody.post(f"{click.replace('/run/', '/api/portal/scriptforge/')}/send", json=given),
    ):
        assert (answer.status_code, answer.json()) == (200, {"status": "calling"})
        assert answer.headers["content-type"] == "application/json"


def test_the_scripts_own_refusals_are_statuses(desk: PlatformDesk, click: str) -> None:
    wrong = desk.anybody.post(f"{click}/send", json={"key": "x", "phone": "4930123"})
    assert (wrong.status_code, wrong.json()) == (401, {"error": "Unauthorized", "name": "Error"})
    missing = desk.anybody.post(f"{click}/send", json={"key": "s3cret"})
    assert (missing.status_code, missing.json()["error"]) == (400, "No Phone")


def test_what_is_not_there_has_one_answer(desk: PlatformDesk, click: str) -> None:
    for path in (
        f"{click}/secret",
        f"{click}/toString",
        f"{click}/__proto__",
        "/run/11111111-2222-3333-4444-555555555555",
        "/run/11111111-2222-3333-4444-555555555555/send",
        "/run/no-uuid",
        f"{click}/" + "x" * 2_000,
    ):
        answer = desk.anybody.get(path)
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND), path


@pytest.mark.parametrize(
    ("function", "content_type", "body"),
    [
        ("text", "text/plain; charset=utf-8", "<b>bold</b>"),
        ("number", "text/plain; charset=utf-8", "42.5"),
        ("whole", "text/plain; charset=utf-8", "7"),
        ("yes", "application/json", "true"),
        ("nothing", "application/json", "null"),
        ("list", "application/json", '[1,"1970-01-01T00:00:00.000Z",null,null]'),
        ("date", "application/json", '{"at":"1970-01-01T00:00:00.000Z"}'),
    ],
)
def test_what_a_script_returns(desk: PlatformDesk, answers: str, function: str, content_type: str, body: str) -> None:
    answer = desk.anybody.get(f"{answers}/{function}")
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, content_type, body)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("function", "status", "error", "name"),
    [
        ("throwsPair", 409, "Taken", "Error"),
        ("rejectsPair", 451, "Unavailable For Legal Reasons", "Error"),
        ("tooLow", 500, "399 Low", "Error"),
        ("sip", 500, "603 Declined", "Error"),
        ("typeError", 500, "cannot read property 'x' of null", "TypeError"),
        ("plain", 500, "just text", "Error"),
        ("spin", 504, "Script Timeout", "TimeoutError"),
        ("never", 500, None, "Error"),
        ("circle", 500, None, "TypeError"),
        ("big", 500, None, "TypeError"),
        ("large", 500, None, "Error"),
        ("memory", 500, None, "RangeError"),
    ],
)
def test_what_a_script_fails_with(
    desk: PlatformDesk, answers: str, function: str, status: int, error: str | None, name: str
) -> None:
    answer = desk.anybody.get(f"{answers}/{function}")
    found = answer.json()
    assert (answer.status_code, sorted(found)) == (status, ["error", "name"])
    assert found["name"] == name
    assert found["error"] == error if error is not None else found["error"]
    assert "answers.js" not in answer.text


def test_keys_that_begin_with_an_underscore_are_the_platforms(desk: PlatformDesk, echo: str) -> None:
    given = {"number": "1", "_company": {"company_id": 1}, "_user": 1, "_": 2}
    assert desk.anybody.post(echo, json=given).json() == {"number": "1"}
    assert desk.anybody.post(echo, data={"number": "1", "_company[company_id]": "1"}).json() == {"number": "1"}
    assert desk.anybody.get(echo, params={"number": "1", "_user": "x"}).json() == {"number": "1"}
    multipart = desk.anybody.post(echo, files={"_company": (None, "1"), "number": (None, "1")})
    assert multipart.json() == {"number": "1"}
    known = desk.acme.post(echo, json=given).json()
    assert known["_company"] == {"company_id": "acme", "name": "acme"}
    assert known["_user"]["username"] == "a test"


def test_a_form_with_files(desk: PlatformDesk, echo: str) -> None:
    files = [
        ("letter", ("läter.txt", b"hello\x00", "text/plain")),
        ("scan", ("a.bin", b"1", "image/png")),
        ("scan", ("b.bin", b"2", "image/png")),
    ]
    found = desk.anybody.post(echo, data={"tick": ["a", "b"], "one": "é"}, files=files).json()
    assert found["tick"] == ["a", "b"]
    assert found["one"] == "é"
    assert found["letter"] == {"name": "läter.txt", "type": "text/plain", "size": 6, "content": "aGVsbG8A"}
    assert [one["content"] for one in found["scan"]] == ["MQ==", "Mg=="]
    large = [("f", ("f", b"x" * 3_000_000, "text/plain"))] * 2
    assert desk.anybody.post(echo, files=large).status_code == 413
    broken = desk.anybody.post(echo, content=b"--x\r\nnothing", headers={"content-type": "multipart/form-data"})
    assert broken.status_code == 400


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        (b"", "application/json", {}),
        (b"  ", "", {}),
        (b'{"a": 18446744073709551617}', "application/json", {"a": "18446744073709551617"}),
        (b'{"a": 1e400}', "application/json", 400),
        (b'{"a": "\\ud800"}', "application/json", 400),
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"[" * 10_000, "application/json", 400),
        (b"[" * 100_000, "application/json", 413),
        (b'{"a":[' + b"0," * 20_000 + b"0]}", "application/json", 413),
        (b'{"a":[' + b"0," * 20_000 + b"0]}", "", 413),
        (b'{"a":[' + b"0," * 20_000 + b"0]}", "text/plain", 413),
        (b'{"a":"' + b",{[" * 2 + b'"}', "application/json", {"a": ",{[,{["}),
        (b"a=" + b"%41" * 20_000, "application/x-www-form-urlencoded", {"a": "A" * 20_000}),
        (b"\xff", "application/json", 400),
        (b"a=%ff&b", "application/x-www-form-urlencoded", {"a": "\ufffd", "b": ""}),
        (b"&".join(b"a" for _ in range(1_001)), "application/x-www-form-urlencoded", 400),
        (b"<x/>", "application/xml", 415),
    ],
)
def test_bodies_of_every_sort(desk: PlatformDesk, echo: str, content: bytes, content_type: str, expected: Any) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = desk.anybody.post(echo, content=content, headers=headers)
    assert (answer.status_code if isinstance(expected, int) else answer.json()) == expected, answer.text


def test_a_script_is_public_only_where_it_says_so(desk: PlatformDesk) -> None:
    page = f"/run/{desk.script('closed')['uuid']}"
    refused = desk.anybody.get(page)
    assert (refused.status_code, refused.json(), refused.headers["www-authenticate"]) == (404, NOT_FOUND, "Bearer")
    assert desk.acme.get(page, params={"a": "1"}).json()["a"] == "1"
    assert desk.operator.get(page).status_code == 200
    assert (desk.beta.get(page).status_code, desk.beta.get(page).json()) == (404, NOT_FOUND)
    with desk.client(desk.token("acme", "read", "write")) as client:
        assert client.get(page).status_code == 403
    with desk.client("sf_unknown") as client:
        assert client.get(page).status_code == 401


def test_nobody_without_a_token_learns_which_uuids_there_are(desk: PlatformDesk) -> None:
    driver = desk.script("driver", "export function list() {}\n", kind="driver")
    uuids = (desk.script("hidden")["uuid"], driver["uuid"], str(uuid.uuid4()), "none")
    paths = [f"{one}{rest}" for one in uuids for rest in ("", "/main", "/none")]
    for ask in (desk.anybody.get, lambda path: desk.anybody.post(path, content=b"[", headers={"content-type": "a/b"})):
        answers = [ask(f"/run/{path}") for path in paths]
        told = {
            (one.status_code, one.text, str(sorted(set(one.headers.items()) - {("date", one.headers.get("date"))})))
            for one in answers
        }
        assert len(told) == 1, told


def test_a_save_is_in_use_when_it_is_answered(desk: PlatformDesk) -> None:
    page = f"/run/{desk.script('changing', public=True)['uuid']}"
    for number in range(5):
        text = {"text": f"export const main = () => {number};\n"}
        desk.acme.put("/api/v1/scripts/changing/text", json=text, headers={"If-Match": "*"}).raise_for_status()
        assert desk.anybody.get(page).text == str(number)
    desk.acme.delete("/api/v1/scripts/changing", headers={"If-Match": "*"}).raise_for_status()
    assert desk.anybody.get(page).status_code == 404


# ---- told as it goes ----


def events(lines: Iterator[str]) -> list[tuple[str, Any]]:
    """Each event's name and data."""
    found: list[tuple[str, Any]] = []
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((kind, json.loads(line.removeprefix("data: "))))
            kind = ""
    return found


TICKS = """
export async function main({ fail }) {
  for (let i = 0; i < 3; i++) {
    console.info('tick', i);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  if (fail) null.x;
  console.warn('over');
  return 'done';
}
"""
STREAM = {"Accept": "text/event-stream"}


def test_what_a_script_writes_comes_while_it_runs(desk: PlatformDesk) -> None:
    page = f"/run/{desk.script('ticks', TICKS, public=True)['uuid']}"
    seen: list[str] = []
    with desk.anybody.stream("GET", page, headers=STREAM) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        for line in lines:
            seen.append(line)
            if "tick 0" in line:
                break
        # It has written its first line, and has not ended.
        assert len(desk.acme.get("/api/v1/runs").json()) == 1
        found = events(iter([*seen, *lines]))
    assert [kind for kind, _ in found] == ["header", "header", "log", "log", "log", "log", ""]
    assert found[0][1]["key"] == "x-hostname"
    written = [(one["level"], one["payload"]) for kind, one in found if kind == "log"]
    assert written == [("console.info", f"tick {number}") for number in range(3)] + [("console.warn", "over")]
    assert found[-1][1] == "done"


def test_an_error_is_an_event_without_a_stack(desk: PlatformDesk) -> None:
    page = f"/run/{desk.script('ticks', TICKS, public=True)['uuid']}"
    with desk.anybody.stream("POST", page, headers=STREAM, json={"fail": 1}) as answer:
        kind, error = events(answer.iter_lines())[-1]
    assert (kind, error["name"], error["details"]) == ("error", "TypeError", {"status": 500})
    with desk.acme.stream("POST", "/api/v1/scripts/ticks/run", headers=STREAM, json={"fail": 1}) as answer:
        _, error = events(answer.iter_lines())[-1]
    assert error["details"]["location"].startswith("ticks.js:7:")


WAITS = """
export async function main() {
  console.log('waiting');
  await new Promise((resolve) => setTimeout(resolve, 25_000));
}
"""


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_a_run_that_nobody_waits_for_is_cancelled(desk: PlatformDesk, accept: str) -> None:
    page = f"/run/{desk.script('waits', WAITS, public=True)['uuid']}"
    before = len(desk.log_lines("run"))
    with desk.client(None) as client, pytest.raises(httpx.TimeoutException):
        client.get(page, headers={"Accept": accept}, timeout=httpx.Timeout(5.0, read=0.5)).raise_for_status()
    wait_until(lambda: len(desk.log_lines("run")) > before, "the run has ended")
    assert desk.log_lines("run")[-1]["outcome"] == "cancelled"
    assert desk.acme.get("/api/v1/runs").json() == []


def test_a_run_under_way_is_listed_and_cancelled(desk: PlatformDesk) -> None:
    desk.script("waits", WAITS, public=True)
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(desk.acme.post("/api/v1/scripts/waits/run")))
    asking.start()
    wait_until(lambda: len(desk.operator.get("/api/v1/runs", params={"tenant": "acme"}).json()) == 1, "it runs")
    run = desk.operator.get("/api/v1/runs", params={"tenant": "acme"}).json()[0]
    assert (run["script"], run["function"]) == ("waits", "main")
    assert desk.beta.delete(f"/api/v1/runs/{run['id']}").status_code == 404
    with desk.client(desk.token("acme", "run")) as client:
        assert client.delete(f"/api/v1/runs/{run['id']}").status_code == 204
    asking.join(20)
    assert answers[0].json()["outcome"] == "cancelled"


def test_authors_see_where_and_the_public_does_not(desk: PlatformDesk, answers: str) -> None:
    report = desk.acme.post("/api/v1/scripts/answers/run/typeError").json()
    assert (report["outcome"], report["status"], report["name"]) == ("script_error", 500, "TypeError")
    assert report["location"].startswith("answers.js:13:")
    assert report["stack"][0].startswith("typeError (answers.js:13:")
    assert report["took_ms"] >= report["run_ms"] > 0
    unknown = desk.acme.post("/api/v1/scripts/answers/run/none")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:scriptforge:not-there")
    assert "typeError" in unknown.json()["detail"]
    del answers


def test_a_script_of_kind_script_runs_as_well(desk: PlatformDesk) -> None:
    desk.script("routing", "function main(data) { data.routing.cli = '1'; return data }\n", kind="script")
    found = desk.acme.post("/api/v1/scripts/routing/run", json={"routing": {}}).json()["result"]
    assert found["routing"] == {"cli": "1"}


def test_runs_at_once_are_refused_past_the_tenants_limit(tmp_path: Any) -> None:
    desk = PlatformDesk(tmp_path, tenant_runs_at_once=2, run_seconds=5)
    try:
        page = f"/run/{desk.script('waits', WAITS, public=True)['uuid']}"
        threads = [threading.Thread(target=lambda: desk.anybody.get(page)) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(desk.acme.get("/api/v1/runs").json()) == 2, "two run")
        refused = desk.anybody.get(page)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        desk.script("other", client=desk.beta)
        assert desk.beta.post("/api/v1/scripts/other/run").status_code == 200
        for thread in threads:
            thread.join(20)
    finally:
        desk.stop()


def test_a_log_is_followed_as_it_grows(desk: PlatformDesk) -> None:
    desk.script("followed", "export const main = ({ n }) => console.log('number', n);\n")
    found: list[str] = []
    with desk.acme.stream("GET", "/api/v1/log", params={"script": "followed"}, headers=STREAM) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for number in range(3):
            desk.acme.post("/api/v1/scripts/followed/run", json={"n": number}).raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: "))["text"])
            if len(found) == 3:
                break
    assert found == ["number 0", "number 1", "number 2"]
    wait_until(
        lambda: len(desk.acme.get("/api/v1/log", params={"script": "followed"}).json()["items"]) == 3, "it is kept"
    )
    page = desk.acme.get("/api/v1/log", params={"script": "followed", "limit": 2}).json()
    rest = desk.acme.get("/api/v1/log", params={"script": "followed", "before": page["next"]}).json()
    assert [one["text"] for one in page["items"] + rest["items"]] == ["number 2", "number 1", "number 0"]
    assert desk.beta.get("/api/v1/log").json()["items"] == []


def test_a_file_without_main_has_no_main_to_be_called(desk: PlatformDesk) -> None:
    page = f"/run/{desk.script('lacking', 'export const search = () => 1', public=True)['uuid']}"
    for stranger in (desk.anybody, desk.beta):
        refused = stranger.get(page)
        assert (refused.status_code, refused.json()) == (404, NOT_FOUND), "as of a uuid that there is not"
    known = desk.acme.get(page)
    assert (known.status_code, known.json()["error"]) == (404, "Function not found; there are search")
    assert desk.anybody.get(f"{page}/search").json() == 1
    told = desk.acme.post("/api/v1/scripts/lacking/run").json()["detail"]
    assert told == "there is no function 'main' for callers; there are search"
