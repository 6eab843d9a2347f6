"""Scripts of scripts.md that are run over HTTP: through a real platform process, with a provider and a mail server."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from aiosmtpd.smtp import SMTP
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from sidecar.catalog.database.mail_templates import MailTemplateRecord, put_template
from sidecar.catalog.database.work import Store
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from tests.acceptance.processes import wait_until
from tests.sidecar.authors.written_scripts import SCRIPTS
from tests.sidecar.hosts.mail.test_server import Inbox
from tests.sidecar.http.platform_desk import OPERATOR, SECONDS, PlatformDesk


class Provider:
    """A carrier's own HTTP interface for numbers, in a thread."""

    def __init__(self) -> None:
        self.free = ["442030001", "442030002"]
        self.mine: list[str] = []
        self.page: bytes | None = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/free?q="):
                    part = self.path.split("=")[1]
                    self.say(200, json.dumps([number for number in provider.free if part in number]).encode())
                else:
                    self.say(200, provider.page or json.dumps(provider.mine).encode())

            def do_POST(self) -> None:
                number = self.path.removeprefix("/buy/")
                if number not in provider.free:
                    return self.say(409, b"sold")
                provider.free.remove(number)
                provider.mine.append(number)
                return self.say(201, b"")

            def do_DELETE(self) -> None:
                number = self.path.removeprefix("/buy/")
                if number not in provider.mine:
                    return self.say(404, b"")
                provider.mine.remove(number)
                return self.say(200, b"")

            def say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def mail_server(inbox: Inbox) -> Iterator[int]:
    """A mail server in a thread; its port."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(inbox, loop=loop), "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


@pytest.fixture(scope="module")
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, inbox: Inbox) -> Iterator[PlatformDesk]:
    """A platform that may reach this machine, and has a mail server."""
    with ExitStack() as stack:
        port = stack.enter_context(mail_server(inbox))
        more = f'[outgoing]\nnetworks = ["127.0.0.0/8"]\n[mail]\nserver = "127.0.0.1:{port}"\nsender = "s@x.example"\n'
        made = PlatformDesk(tmp_path_factory.mktemp("platform"), more=more, public_runs_a_second=20)
        stack.callback(made.stop)
        yield made


def app(desk: PlatformDesk, name: str, **variables: str) -> str:
    desk.acme.put(f"/api/v1/apps/{name}", json={"name": name}).raise_for_status()
    for variable, value in variables.items():
        desk.acme.put(f"/api/v1/apps/{name}/variables/{variable}", json={"value": value}).raise_for_status()
    return name


def page(desk: PlatformDesk, name: str, **more: Any) -> str:
    """Where a script of scripts.md runs by its uuid."""
    script_id = name.split(".", maxsplit=1)[0]
    return f"/run/{desk.script(script_id, SCRIPTS[name], kind='app', **more)['uuid']}"


def run(desk: PlatformDesk, address: str, data: Any = None, client: httpx.Client | None = None) -> Any:
    answered = (client or desk.acme).post(address, json=data or {})
    return answered.json()


# ---- a driver of numbers ----

NAMED = (
    SCRIPTS["did_driver.js"]
    .replace("module.export = {\n", "")
    .replace("};\n", "")
    .replace("  search:", "export const search =")
    .replace("  allocate:", "export const allocate =")
    .replace("  release:", "export const release =")
    .replace("  list:", "export const list =")
    .replace(",\n", ";\n")
)


@pytest.mark.parametrize("dialect", ["older", "named"])
def test_a_driver_asks_the_provider_and_what_it_says_is_checked(desk: PlatformDesk, dialect: str) -> None:
    provider = Provider()
    try:
        text = SCRIPTS["did_driver.js"] if dialect == "older" else NAMED
        own = app(desk, f"drivers-{dialect}", PROVIDER=provider.url)
        desk.script(f"kept-{dialect}", text, kind="driver", app=own)

        def ask(function: str, **data: str) -> Any:
            return desk.acme.post(f"/api/v1/scripts/kept-{dialect}/run/{function}", json=data).json()

        found = ask("search", number="4420")["result"]
        assert found == [{"did": did, "monthly": 2} for did in ("442030001", "442030002")]
        assert ask("allocate", did="442030001")["result"] == {"did": "442030001", "package_id": 7, "customer_id": None}
        assert ask("allocate", did="442030001")["result"] is None
        assert ask("list")["result"] == [{"did": "442030001"}]
        assert ask("release", did="442030001")["result"] is True
        provider.page = b"<html>down</html>"
        failed = ask("list")
        assert failed["outcome"] == "script_error"
        assert failed["error"].endswith("/mine answered 200 with a body that is not JSON: unexpected token: '<'")
        assert failed["location"].startswith(f"kept-{dialect}.js:")
        provider.page = None
        carrier = {"script": f"kept-{dialect}", "mode": "live", "company": "Carrier Ltd"}
        at = f"/api/v1/providers/{dialect}"
        desk.operator.put(at, params={"tenant": "acme"}, json=carrier).raise_for_status()
        assert desk.acme.post(f"{at}/search", json={"number": "4420"}).json()["items"] == found[1:]
        provider.free.clear()
        sold = desk.acme.put("/api/v1/dids/442030002", json={"provider": dialect})
        assert (sold.status_code, provider.mine) == (409, [])
        assert sold.json()["type"].endswith("refused")
        assert desk.acme.get("/api/v1/dids", params={"provider": dialect}).json()["items"] == []
        provider.page = b"<html>down</html>"
        listed = desk.acme.post(f"{at}/list")
        assert listed.status_code == 502
        assert "list: " in listed.json()["detail"]
        assert "a body that is not JSON" in listed.json()["detail"]
        provider.page = b"[7]"
        wrong = ask("list")
        assert wrong["outcome"] == "wrong_result"
        assert "list: its result's [0].did: expected a number as text, got a number" in wrong["error"]
    finally:
        provider.close()


@pytest.mark.parametrize("dialect", ["older", "named"])
def test_an_app_has_the_same_functions(desk: PlatformDesk, dialect: str) -> None:
    provider = Provider()
    try:
        text = SCRIPTS["did_driver.js"] if dialect == "older" else NAMED
        own = app(desk, f"numbers-{dialect}", PROVIDER=provider.url)
        at = f"/run/{desk.script(f'driver-{dialect}', text, kind='app', app=own)['uuid']}"
        found = [{"did": "442030001", "monthly": 2}, {"did": "442030002", "monthly": 2}]
        assert run(desk, f"{at}/search", {"number": "4420"}) == found
        bought = {"did": "442030001", "package_id": 7, "customer_id": None}
        assert run(desk, f"{at}/allocate", {"did": "442030001"}) == bought
        assert run(desk, f"{at}/allocate", {"did": "442030001"}) is None
        assert run(desk, f"{at}/list") == [{"did": "442030001"}]
        assert run(desk, f"{at}/release", {"did": "442030001"}) is True
        assert run(desk, f"{at}/release", {"did": "442030001"}) is False
        provider.page = b"<html>down</html>"
        failed = desk.acme.post(f"{at}/list", json={})
        assert failed.status_code == 500
        assert failed.json()["name"] == "SyntaxError"
        assert f"{provider.url}/mine answered 200 with a body that is not JSON" in failed.json()["error"]
    finally:
        provider.close()


# ---- a form ----


def test_a_form_is_kept_and_mailed_once(desk: PlatformDesk, inbox: Inbox) -> None:
    columns = [{"name": "carrier", "type": "string"}, {"name": "company", "type": "string"}]
    desk.acme.put("/api/v1/databases/porting", json={"columns": columns}).raise_for_status()
    asyncio.run(_put_template(desk))
    at = page(desk, "porting_form.js")
    inbox.mails.clear()
    fields = {"number": "4420", "carrier": "X", "_company[company_id]": "1"}
    submitted = desk.acme.post(at, data=fields)
    assert submitted.json() == {"__": {"action": {"name": "redirect", "params": ["/thanks"]}}}
    row = desk.acme.get("/api/v1/databases/porting/rows/4420").json()
    assert (row["carrier"], row["company"]) == ("X", "acme")
    (mail,) = inbox.mails
    assert mail.rcpt_tos == ["porting@carrier.example"]
    assert isinstance(mail.content, bytes)
    assert b"Subject: Port 4420" in mail.content
    again = desk.acme.post(at, data=fields)
    assert (again.status_code, again.json()["error"]) == (500, "porting has a row '4420' already")
    assert len(inbox.mails) == 1


async def _put_template(desk: PlatformDesk) -> None:
    store = Store(Storage(DatabaseUrl.parse(desk.address)))
    async with store.working(OPERATOR, "acme") as work:
        await put_template(
            work, MailTemplateRecord(name="porting", subject="Port {{number}}", text="To {{carrier}}.", html="")
        )
    await store.close()


def test_a_report_mails_how_many_are_open(desk: PlatformDesk, inbox: Inbox) -> None:
    columns = {"columns": [{"name": "carrier", "type": "string"}, {"name": "company", "type": "string"}]}
    desk.beta.put("/api/v1/databases/porting", json=columns).raise_for_status()
    beta = {"name": "report.js", "text": SCRIPTS["nightly_report.js"], "kind": "app"}
    at = f"/run/{desk.beta.put('/api/v1/scripts/report', json=beta).json()['uuid']}"
    inbox.mails.clear()
    assert run(desk, at, client=desk.beta) == 0
    assert inbox.mails == []
    desk.beta.put("/api/v1/databases/porting/rows/4420", json={"carrier": "O'Hara"}).raise_for_status()
    assert run(desk, at, client=desk.beta) == 1
    (mail,) = inbox.mails
    assert isinstance(mail.content, bytes)
    assert b"Subject: 1 open" in mail.content
    nightly = {"script": "report", "minutes": [5], "hours": [2], "zone": "Europe/Berlin"}
    made = desk.beta.put("/api/v1/schedules/nightly", json=nightly).raise_for_status().json()
    assert (made["cron"], made["missed"], made["attempts"]) == ("5 2 * * *", "once", 1)
    clocks = {
        datetime.fromisoformat(due).astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") for due in made["next"]
    }
    assert {"02:05"} <= clocks <= {"02:05", "03:00"}, "03:00 is the night in which 02:05 does not exist"
    job = desk.beta.post("/api/v1/schedules/nightly/run").raise_for_status().json()["id"]
    wait_until(lambda: desk.beta.get(f"/api/v1/jobs/{job}").json()["state"] == "completed", "it has run")
    assert desk.beta.get(f"/api/v1/jobs/{job}").json()["result"] == 1
    assert len(inbox.mails) == 2


# ---- two files that import each other ----


def test_two_files_of_an_app_import_each_other(desk: PlatformDesk) -> None:
    own = app(desk, "prices")
    files = [{"name": name, "text": SCRIPTS[name], "kind": "app"} for name in ("tax.ts", "price.js")]
    saved = desk.acme.post(f"/api/v1/apps/{own}/scripts", json={"scripts": files})
    assert saved.is_success, saved.text
    found = {one["name"]: one for one in saved.json()["items"]}
    at = f"/run/{found['price.js']['uuid']}"
    assert run(desk, at, {"n": 5}) == 60
    assert desk.acme.post(f"{at}/total", json={}).status_code == 404
    assert run(desk, f"{at}/base", {}) is None  # of an object: NaN, which is null as JSON
    broken = desk.acme.post(f"/api/v1/scripts/{found['price.js']['id']}/run/broken", json={}).json()
    column = SCRIPTS["price.js"].splitlines()[4].index("tax.of.nothing") + 1
    assert (broken["name"], broken["location"]) == ("TypeError", f"price.js:5:{column}")
    assert broken["error"] == "TypeError: cannot read property 'nothing' of undefined: tax.of is undefined"
    none = [{"name": "first.js", "text": "import './none';\nexport const main = () => 1;\n", "kind": "app"}]
    refused = desk.acme.post(f"/api/v1/apps/{own}/scripts", json={"scripts": none})
    assert refused.status_code == 422
    (problem,) = refused.json()["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("first.js", 1, 8)
    default = [{"name": "default.js", "text": "export default () => 'the default';\n", "kind": "app"}]
    made = desk.acme.post(f"/api/v1/apps/{own}/scripts", json={"scripts": default})
    assert desk.acme.get(f"/run/{made.json()['items'][0]['uuid']}").text == "the default"


# ---- click to call ----


def test_who_has_the_key_and_a_number_may_ask_for_a_call(desk: PlatformDesk) -> None:
    own = app(desk, "click")
    key = {"value": "s3cret", "protected": True, "private": True, "locked": True}
    desk.acme.put(f"/api/v1/apps/{own}/variables/KEY", json=key).raise_for_status()
    at = page(desk, "click_to_call.js", app=own, public=True)
    given = {"key": "s3cret", "phone": "4930123"}
    ways = [
        desk.anybody.post(f"{at}/send", data=given),
        desk.anybody.post(f"{at}/send", json=given),
        desk.anybody.get(f"{at}/send", params=given),
    ]
    # Calls are the call daemon's, and none runs here: that is all that is in the way.
    for asked in ways:
        assert asked.json()["error"] == "the daemon that carries calls does not answer"
    wrong = desk.anybody.post(f"{at}/send", json={"key": "x", "phone": "4930123"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "Unauthorized")
    missing = desk.anybody.post(f"{at}/send", json={"key": "s3cret"})
    assert (missing.status_code, missing.json()["error"]) == (400, "No Phone")
    hidden = desk.anybody.post(f"{at}/secret", json=given)
    unknown = desk.anybody.post("/run/11111111-2222-3333-4444-555555555555/send", json=given)
    assert (hidden.status_code, unknown.status_code) == (404, 404)
    assert hidden.content == unknown.content
    (shown,) = desk.acme.get(f"/api/v1/apps/{own}/variables").json()["items"]
    assert (shown["name"], shown["value"]) == ("KEY", "****")


# ---- settings of an app ----


def test_settings_are_the_next_runs_and_no_other_apps(desk: PlatformDesk) -> None:
    own, other = app(desk, "9", currency="GBP"), app(desk, "10")
    at = page(desk, "settings.js", app=own)
    reads = "async function now() { return [process.env, await getEnvVars()]; }\n"
    reads += "async function change() { await setEnvVar('currency', 'CHF'); return process.env.currency; }\n"
    look = f"/run/{desk.script('look', reads, kind='app', app=own)['uuid']}/now"
    elsewhere = f"/run/{desk.script('elsewhere', reads, kind='app', app=other)['uuid']}/now"
    saved = desk.acme.post(f"{at}/save", json={"currency": "EUR", "limits": {"day": 3}})
    assert saved.text == '{"day":3}'

    def live() -> bool:
        return bool(run(desk, look)[0]["currency"] == "EUR")

    wait_until(live, "the next run has it", seconds=60)
    assert desk.acme.post(look.removesuffix("now") + "change", json={}).text == "EUR", "this run's is what it was"
    wait_until(lambda: bool(run(desk, look)[0]["currency"] == "CHF"), "the next run has that", seconds=60)
    for told in run(desk, elsewhere):
        assert {"currency", "limits"} & told.keys() == set()
    wrong = desk.acme.post(f"{at}/save", json={"currency": "EUR", "limits": {}, "name": "APP_ID"})
    assert (wrong.status_code, wrong.json()["error"]) == (500, "APP_ID is set by the host")
    assert run(desk, look)[0]["APP_ID"] == "9"
    wrong = desk.acme.post(f"{at}/save", json={"currency": {}})
    assert wrong.json()["name"] == "TypeError"


# ---- live events ----

Open = Callable[[str, str | None], ClientConnection]


@pytest.fixture
def opened(desk: PlatformDesk) -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(address: str, token: str | None) -> ClientConnection:
            headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
            at = desk.url.replace("http", "ws", 1) + address
            return stack.enter_context(connect(at, additional_headers=headers, proxy=None, open_timeout=SECONDS))

        yield opened


def heard(socket: ClientConnection, seconds: float) -> Any:
    try:
        return json.loads(socket.recv(seconds))
    except TimeoutError:
        return None


def test_events_reach_one_desk_of_one_account(desk: PlatformDesk, opened: Open) -> None:
    at = page(desk, "live_events.js")
    beta = {"name": "live.js", "text": SCRIPTS["live_events.js"], "kind": "app"}
    at_beta = f"/run/{desk.beta.put('/api/v1/scripts/live', json=beta).json()['uuid']}"
    token = desk.token("acme")
    first, second = opened(f"{at}?desk=a", token), opened(f"{at}?desk=a", token)
    other = opened(f"{at}?desk=b", token)
    stranger = opened(f"{at_beta}?desk=a", desk.token("beta"))
    until = time.monotonic() + SECONDS
    note = None
    while note is None and time.monotonic() < until:  # until both have subscribed
        first.send('{"desk":"a","note":"hi"}')
        note = heard(second, 0.2)
    assert note == {"note": "hi"}
    assert heard(first, SECONDS) == {"note": "hi"}
    assert heard(other, 0.3) is None
    assert heard(stranger, 0.1) is None
    first.send("plain text")
    first.send('{"desk":"a","note":"still here"}')
    told: list[Any] = []
    while not told or told[-1] != {"note": "still here"}:
        told.append(heard(first, SECONDS))

    def logged() -> bool:
        found = desk.acme.get("/api/v1/log", params={"script": "live_events"}).json()["items"]
        return any("TypeError" in one["text"] for one in found)

    with pytest.raises(InvalidStatus) as refused:
        opened(f"{at}?desk=a", None)
    assert refused.value.response.status_code == 401
    for client in (first, second, other, stranger):
        client.close()
    wait_until(lambda: desk.acme.get("/api/v1/runs").json() == [], "they have ended")
    runs = [one for one in desk.log_lines("run") if one["script"] == "live_events"]
    assert {one["outcome"] for one in runs} == {"returned"}
    wait_until(logged, "the log has the TypeError")


# ---- too many strangers, the last that anybody asks here ----


def test_of_sixty_requests_in_a_second_some_are_too_many(desk: PlatformDesk) -> None:
    at = page(desk, "click_to_call.js", public=True)
    found: set[int] = set()

    def asked() -> bool:
        with ThreadPoolExecutor(60) as threads:
            found.update(
                threads.map(lambda _: desk.anybody.get(f"{at}/send", params={"key": "x"}).status_code, range(60))
            )
        return 429 in found

    wait_until(asked, "there were more than a second has for strangers", SECONDS)
    assert found == {401, 429}
