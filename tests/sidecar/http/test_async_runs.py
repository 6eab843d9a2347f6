"""Runs that whoever asks does not wait for: `Prefer: respond-async` (RFC 7240)."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sidecar.http.preferences import Preferences, preferences
from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import PlatformDesk

ASYNC = {"Prefer": "respond-async"}
SETTINGS = "[jobs]\npoll_seconds = 0.05\nlease_seconds = 1\nrun_attempts = 2\nrun_backoff_ms = 1\n"
TEXT = """
import cxJob from 'cxJob';

export const main = (data) => data;
export const hello = ({ who }) => `Hello ${who}`;
export const refuses = () => { throw new Error('402 Pay first'); };
export const throws = () => { throw new TypeError('no such thing'); };
export const recovers = () => {
  if (Number(process.env.JOB_ATTEMPT) < 3) throw new Error(`attempt ${process.env.JOB_ATTEMPT}`);
  return Number(process.env.JOB_ATTEMPT);
};
export const busy = () => { throw new Error('429 Later'); };
export const slow = async ({ seconds }) => {
  await cxJob.setProgress('begun');
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return Number(process.env.JOB_ATTEMPT);
};
export const later = async () => await new Promise((resolve) => setTimeout(resolve, 60_000));
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("async"), more=SETTINGS)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def public(desk: PlatformDesk) -> str:
    return f"/run/{desk.script('public', TEXT, public=True)['uuid']}"


@pytest.fixture(scope="module")
def own(desk: PlatformDesk) -> str:
    return f"/run/{desk.script('own', TEXT)['uuid']}"


def asked(client: httpx.Client, path: str, **more: Any) -> str:
    """The address that a run is at."""
    answer = client.post(path, headers=ASYNC, **more)
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async"), answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["state"] == "waiting"
    address: str = answer.headers["location"]
    assert address.startswith(path.rpartition("/")[0] if path.count("/") > 2 else path)
    return address


def over(client: httpx.Client, address: str) -> Any:
    def shown() -> Any:
        return client.get(address).raise_for_status().json()

    wait_until(lambda: shown()["state"] in ("completed", "failed"), "it is over")
    assert "retry-after" not in client.get(address).headers
    return shown()


def test_a_run_is_kept_and_its_result_is_at_an_address_for_whoever_asked(desk: PlatformDesk, public: str) -> None:
    address = asked(desk.anybody, public, json={"a": "ä", "_company": 1})
    done = over(desk.anybody, address)
    assert (done["state"], done["status"], done["result"], done["progress"]) == ("completed", 200, {"a": "ä"}, None)
    assert done["created"] <= done["started"] <= done["finished"]


def test_the_result_is_answered_as_the_run_would_have_been(desk: PlatformDesk, public: str) -> None:
    for function, data in (("hello", {"who": "world"}), ("main", {"n": 1}), ("refuses", {}), ("throws", {})):
        waited = desk.anybody.post(f"{public}/{function}", json=data)
        address = asked(desk.anybody, f"{public}/{function}", json=data)
        over(desk.anybody, address)
        result = desk.anybody.get(f"{address}/result")
        assert (result.status_code, result.content) == (waited.status_code, waited.content)
        assert result.headers["content-type"] == waited.headers["content-type"]


def test_an_error_is_told_with_the_status_that_it_would_have_had(desk: PlatformDesk, public: str) -> None:
    done = over(desk.anybody, asked(desk.anybody, f"{public}/refuses"))
    assert (done["state"], done["status"], done["error"]) == ("failed", 402, "Pay first")


def test_a_run_that_fails_is_tried_again_as_often_as_whoever_asked_prefers(desk: PlatformDesk, public: str) -> None:
    failed = over(desk.anybody, asked(desk.anybody, f"{public}/recovers"))
    assert (failed["state"], failed["attempt"], failed["attempts"]) == ("failed", 2, 2), "as the operator says"
    prefer = {"Prefer": "respond-async, attempts=3, backoff=0"}
    answer = desk.acme.post(f"{public}/recovers", headers=prefer)
    assert answer.headers["preference-applied"] == prefer["Prefer"]
    done = over(desk.anybody, answer.headers["location"])
    assert (done["state"], done["attempt"], done["result"]) == ("completed", 2, 3)
    once = desk.anybody.post(f"{public}/recovers", headers={"Prefer": "respond-async, attempts=1"})
    failed = over(desk.anybody, once.headers["location"])
    assert (failed["state"], failed["attempt"], failed["error"]) == ("failed", 1, "attempt 1")


def test_a_stranger_has_nothing_tried_more_often_than_the_operator_says(desk: PlatformDesk, public: str) -> None:
    for asks, applied in (("100", "2"), ("0", "1")):
        prefer = {"Prefer": f"respond-async, attempts={asks}, backoff=999999"}
        answer = desk.anybody.post(f"{public}/recovers", headers=prefer)
        assert answer.headers["preference-applied"] == f"respond-async, attempts={applied}, backoff=86400"
        desk.anybody.delete(answer.headers["location"]).raise_for_status()
    known = desk.acme.post(f"{public}/main", headers={"Prefer": "respond-async, attempts=200"})
    assert known.headers["preference-applied"] == "respond-async, attempts=100"


def test_a_status_below_500_is_an_answer_unless_it_says_later(desk: PlatformDesk, public: str) -> None:
    for function, attempts in (("refuses", 1), ("busy", 2), ("throws", 2)):
        failed = over(desk.anybody, asked(desk.anybody, f"{public}/{function}"))
        assert (function, failed["state"], failed["attempt"]) == (function, "failed", attempts)


def test_a_run_is_done_though_its_platform_is_killed_while_it_goes_on(desk: PlatformDesk, public: str) -> None:
    address = asked(desk.anybody, f"{public}/slow", json={"seconds": 2})
    wait_until(lambda: desk.anybody.get(address).json()["progress"] == "begun", "it has begun")
    desk.kill()
    done = over(desk.anybody, address)
    assert (done["state"], done["attempt"], done["result"]) == ("completed", 0, 1), "a death is no attempt"


def test_a_query_a_form_and_files_come_as_with_a_run_that_is_waited_for(desk: PlatformDesk, public: str) -> None:
    answer = desk.anybody.get(f"{public}?a=1&a=2", headers=ASYNC)
    assert over(desk.anybody, answer.headers["location"])["result"] == {"a": ["1", "2"]}
    assert over(desk.anybody, asked(desk.anybody, public, data={"b": "3"}))["result"] == {"b": "3"}
    with_file = asked(desk.anybody, public, files={"f": ("n.txt", b"text", "text/plain")})
    file = over(desk.anybody, with_file)["result"]["f"]
    assert file == {"name": "n.txt", "type": "text/plain", "size": 4, "content": "dGV4dA=="}


def test_more_than_a_job_may_be_given_is_refused(desk: PlatformDesk, public: str) -> None:
    answer = desk.anybody.post(public, headers=ASYNC, files={"f": ("n.bin", b"x" * 500_000)})
    assert (answer.status_code, "500000 bytes" in answer.json()["error"]) == (413, True)


def test_who_asked_with_a_token_is_said_and_only_such_a_one_reads_what_is_not_public(
    desk: PlatformDesk, own: str
) -> None:
    address = asked(desk.acme, own, json={"_user": 1})
    assert over(desk.acme, address)["result"]["_company"] == {"company_id": "acme", "name": "acme"}
    for stranger in (desk.anybody, desk.beta):
        assert stranger.get(address).status_code == 404
        assert stranger.delete(address).status_code == 404
        assert stranger.post(own, headers=ASYNC).status_code == 404


def test_an_address_is_not_guessed_of_a_job(desk: PlatformDesk, public: str, own: str) -> None:
    address = asked(desk.anybody, public)
    job = address.rpartition("/")[2]
    for wrong in (job[:32], job[:-1] + ("0" if job[-1] != "0" else "1"), job + "0", "ä", job[:32] + "0" * 32):
        for rest in ("", "/result"):
            assert desk.anybody.get(f"{public}/jobs/{wrong}{rest}").status_code == 404
    assert desk.acme.get(f"{own}/jobs/{job}").status_code == 404, "it is another script's"


def test_a_run_that_is_under_way_is_cancelled(desk: PlatformDesk, public: str) -> None:
    address = asked(desk.anybody, f"{public}/later")
    wait_until(lambda: desk.anybody.get(address).json()["state"] == "active", "it runs")
    waiting = desk.anybody.get(f"{address}/result")
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    assert desk.anybody.delete(address).status_code == 204
    assert desk.anybody.get(address).status_code == 404
    job = address.rpartition("/")[2][:32]
    wait_until(lambda: any(line["job"] == job for line in desk.log_lines("job_lost")), "its run is ended")


def test_who_would_wait_a_while_is_answered_at_once_where_it_is_over_by_then(desk: PlatformDesk, public: str) -> None:
    prefer = {"Prefer": "wait=20, respond-async"}
    answer = desk.anybody.post(f"{public}/hello", json={"who": "you"}, headers=prefer)
    assert (answer.status_code, answer.text) == (200, "Hello you")
    assert answer.headers["preference-applied"] == "respond-async, wait=20"
    slow = desk.anybody.post(f"{public}/later", headers={"Prefer": "respond-async, wait=1"})
    assert slow.status_code == 202
    desk.anybody.delete(slow.headers["location"]).raise_for_status()


def test_a_function_that_is_not_there_is_refused_before_anything_is_kept(desk: PlatformDesk, public: str) -> None:
    assert desk.anybody.post(f"{public}/nothing", headers=ASYNC).status_code == 404


def test_where_a_tenant_keeps_as_many_jobs_as_it_may_it_is_told_to_come_back(desk: PlatformDesk) -> None:
    path = f"/run/{desk.script('full', TEXT, client=desk.beta, public=True)['uuid']}"
    desk.operator.put("/api/v1/tenants/beta/limits", json={"jobs": 1}, headers={"If-Match": "*"}).raise_for_status()
    wait_until(lambda: desk.anybody.post(path, headers=ASYNC).status_code == 429, "it is full")
    assert int(desk.anybody.post(path, headers=ASYNC).headers["retry-after"]) >= 1


def test_what_was_answered_is_run_by_the_next_platform_after_a_kill(desk: PlatformDesk, public: str) -> None:
    del public
    path = f"/run/{desk.script('killed', TEXT, public=True)['uuid']}"
    desk.acme.put("/api/v1/queues/runs", json={"paused": True}).raise_for_status()
    addresses = [asked(desk.anybody, path, json={"n": number}) for number in range(10)]
    desk.kill()
    desk.acme.put("/api/v1/queues/runs", json={"paused": False}).raise_for_status()
    assert [over(desk.anybody, one)["result"] for one in addresses] == [{"n": number} for number in range(10)]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], Preferences()),
        (["respond-async"], Preferences(respond_async=True)),
        (["Respond-Async; foo=bar", "wait=10"], Preferences(respond_async=True, wait_seconds=10)),
        (['wait="7", handling=lenient, wait=9'], Preferences(wait_seconds=7)),
        (['foo="a, respond-async"'], Preferences()),
        (["wait=-1, wait=2"], Preferences()),
        (["wait=" + "9" * 40 + ",respond-async"], Preferences(respond_async=True)),
        (["wait=٣"], Preferences()),
        ([",,=;" * 1000], Preferences()),
        (["respond-async, attempts=5", "backoff=60"], Preferences(True, None, 5, 60)),
        (["attempts=x, backoff=-1"], Preferences()),
    ],
)
def test_preferences_are_read_as_rfc_7240_has_them(headers: list[str], found: Preferences) -> None:
    assert preferences(headers) == found


def test_what_is_told_is_json(desk: PlatformDesk, public: str) -> None:
    answer = desk.anybody.get(asked(desk.anybody, public))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    json.loads(answer.content)
