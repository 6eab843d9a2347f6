"""Jobs of scripts in a real platform: run in workers of their own, kept while it is killed, given back at its end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import PlatformDesk

SETTINGS = "[jobs]\nlease_seconds = 1\npoll_seconds = 0.05\ndrain_seconds = 2\n"
TWICE = """
import cxJob from 'cxJob';
import { publish } from 'cxPubSub';
export async function main(data) {
  const job = await cxJob.add(process.env.SCRIPTFORGE_ID, 'work', { done: 0, of: data.of }, data.options);
  return await job.result;
}
export async function work(data) {
  cxJob.setProgress(data.done / data.of);
  if (data.done < 2) { cxJob.setData({ ...data, done: data.done + 1 }); throw new Error('again'); }
  return { done: data.done, attempt: process.env.JOB_ATTEMPT };
}
"""
OLDER = """
const job = require('cxJob');
async function main(data) { return (await job.scriptForge('echo', data)).result; }
"""
THIEF = """
import { add } from 'cxJob';
export const main = async ({ of }) => await (await add(of, 'main', {})).result;
"""
ASKS = """
import { add } from 'cxJob';
export const main = async ({ fn }) => (await add('changing', fn)).result;
"""
MANY = """
import { add, scriptForge, setProgress } from 'cxJob';
import { incr, kv } from 'cxKV';
const own = process.env.SCRIPTFORGE_ID;
export async function main(data) { return await (await scriptForge(own, data)).result; }
export async function begin({ fn, data, options }) { return (await add(own, fn, data, options)).id; }
export async function both() {
  const jobs = await Promise.all([1, 2, 3].map((n) => add(own, 'double', n)));
  return await Promise.all(jobs.map((job) => job.result));
}
export const double = (n) => 2 * n;
export async function fails({ fn, data, options }) {
  try { return await (await add(own, fn, data, options)).result; } catch (error) { return [error.name, error.message]; }
}
export const throws = () => { throw new TypeError('no such thing'); };
export const refuses = () => { throw new Error('402 Pay'); };
export const big = () => 'x'.repeat(600_000);
export const id = () => [process.env.JOB_ID, process.env.JOB_ATTEMPT, process.env.CORRELATION_ID];
export async function count({ key }) { return await incr(key); }
export async function slow({ key, ms }) {
  await incr(key + ':begun');
  await new Promise((resolve) => setTimeout(resolve, ms));
  return await incr(key + ':ended');
}
export async function waits() {
  console.log('begun');
  await new Promise((resolve) => setTimeout(resolve, 250_000));
}
export const loop = () => { for (;;); };
export async function outside() { await setProgress(1); }
export async function progress() {
  const job = await add(own, 'goesOn', {}, { attempts: 1 });
  await job.result;
  return await job.progress();
}
export async function goesOn() { for (let at = 0; at <= 1; at += 0.25) await setProgress(at); }
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("jobs"), more=SETTINGS)
    made.script("twice", TWICE, kind="app")
    made.script("many", MANY, kind="app")
    yield made
    made.stop()


def run(
    desk: PlatformDesk, script: str, function: str = "main", client: httpx.Client | None = None, **data: Any
) -> Any:
    answer = (client or desk.acme).post(f"/api/v1/scripts/{script}/run/{function}", json=data)
    assert answer.is_success, answer.text
    return answer.json()


def result(desk: PlatformDesk, script: str, function: str = "main", **data: Any) -> Any:
    report = run(desk, script, function, **data)
    assert report["error"] is None, report
    return report["result"]


def start_again(desk: PlatformDesk) -> None:
    desk.start()
    token = desk.acme.headers["authorization"].split()[1]
    desk.acme.close()
    desk.acme = desk.client(token)


def count(desk: PlatformDesk, key: str) -> int:
    answer = desk.acme.get(f"/api/v1/kv/keys/{key}")
    return int(answer.json()["value"]) if answer.is_success else 0


def test_a_job_that_fails_twice_is_done_the_third_time(desk: PlatformDesk) -> None:
    options = {"attempts": 3, "delay": 50}
    assert result(desk, "twice", of=4, options=options) == {"done": 2, "attempt": "3"}


def test_what_it_writes_is_in_the_log_while_it_goes_on(desk: PlatformDesk) -> None:
    job = desk.acme.post("/api/v1/jobs", json={"script": "many", "function": "waits"}).json()["id"]

    def written() -> list[str]:
        items = desk.acme.get("/api/v1/log", params={"script": "many"}).json()["items"]
        return [one["text"] for one in items if one["run"] == job]

    wait_until(lambda: written() == ["begun"], "the log has it")
    assert desk.acme.get(f"/api/v1/jobs/{job}").json()["state"] == "active"
    desk.acme.delete(f"/api/v1/jobs/{job}").raise_for_status()


def test_a_job_without_an_attempt_left_rejects_with_its_last_error(desk: PlatformDesk) -> None:
    report = run(desk, "twice", of=4, options={"attempts": 2})
    assert (report["error"], report["name"]) == ("Error: again", "Error")


def test_what_it_says_of_itself_is_kept_from_attempt_to_attempt_until_it_has_failed(desk: PlatformDesk) -> None:
    body = {"script": "twice", "function": "work", "data": {"done": 0, "of": 4}}
    given = {"attempts": 2, "backoff_ms": 1_500}
    job = f"/api/v1/jobs/{desk.acme.post('/api/v1/jobs', json={**body, **given}).json()['id']}"
    wait_until(lambda: desk.acme.get(job).json()["state"] == "failed", "it has no attempt left")
    found = desk.acme.get(job).json()
    assert (found["attempt"], found["attempts"], found["progress"], found["error"]) == (2, 2, 0.25, "again")
    job = f"/api/v1/jobs/{desk.acme.post('/api/v1/jobs', json={**body, **given, 'attempts': 3}).json()['id']}"
    seen: list[Any] = []

    def is_over() -> bool:
        found = desk.acme.get(job).json()
        if found["progress"] not in seen:
            seen.append(found["progress"])
        return bool(found["state"] == "completed")

    wait_until(is_over, "it is done the third time")
    assert [one for one in seen if one is not None] == [0, 0.25, 0.5]
    assert desk.acme.get(job).json()["result"] == {"done": 2, "attempt": "3"}


def test_a_platform_that_is_killed_in_the_second_attempt_has_the_job_done_all_the_same(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more=SETTINGS)
    held = TWICE.replace(
        "if (data.done < 2)",
        "if (data.done === 1) await new Promise((done) => setTimeout(done, 500));\n  if (data.done < 2)",
    )
    desk.script("twice", held, kind="app")
    body = {"script": "twice", "function": "work", "data": {"done": 0, "of": 4}, "attempts": 3}
    job = f"/api/v1/jobs/{desk.acme.post('/api/v1/jobs', json=body).json()['id']}"
    wait_until(lambda: desk.acme.get(job).json()["progress"] == 0.25, "it is at its second attempt")
    desk.program.signal(signal.SIGKILL)
    desk.program.finish()
    start_again(desk)
    wait_until(lambda: desk.acme.get(job).json()["state"] == "completed", "it is done", seconds=60)
    found = desk.acme.get(job).json()
    assert (found["result"], found["progress"]) == ({"done": 2, "attempt": "3"}, 0.5)
    desk.stop()


def test_main_of_a_script_is_what_the_older_dialect_runs(desk: PlatformDesk) -> None:
    desk.script("echo")
    desk.script("older", OLDER, kind="app")
    given = result(desk, "older", a=["ä", None, 1.5])
    assert (given["a"], given["_company"]["name"]) == (["ä", None, 1.5], "acme")


def test_jobs_of_one_run_are_side_by_side(desk: PlatformDesk) -> None:
    assert result(desk, "many", "both") == [2, 4, 6]


def test_a_job_knows_its_id_and_attempt(desk: PlatformDesk) -> None:
    job, attempt, correlation = result(desk, "many", "fails", fn="id")
    assert (len(job), attempt, correlation) == (32, "1", job)


@pytest.mark.parametrize(
    ("function", "options", "error"),
    [
        ("throws", {}, ["TypeError", "no such thing"]),
        ("refuses", {}, ["Error", "402 Pay"]),
        ("big", {}, ["RangeError", "the result has more than can be kept: return less, or keep it elsewhere"]),
        ("nothing", {}, ["Error", "there is no function 'nothing' for callers"]),
        ("loop", {}, ["TimeoutError", "Script Timeout"]),
        ("double", {"attempts": 0}, ["RangeError", "attempts are 1 to 100"]),
        ("double", {"attempts": "3"}, ["TypeError", "attempts is a number"]),
        ("double", {"backoff": {"type": "x", "delay": 1}}, ["TypeError", "backoff: milliseconds, or { type:"]),
        ("double", {"tries": 3}, ["TypeError", "a job has no option tries: there are attempts, delay"]),
        ("a-b", {}, ["RangeError", "a function is named as JavaScript names it"]),
    ],
)
def test_why_a_job_failed_is_told_where_it_was_awaited(
    desk: PlatformDesk, function: str, options: dict[str, Any], error: list[str]
) -> None:
    name, message = result(desk, "many", "fails", fn=function, options=options)
    assert name == error[0]
    assert message.startswith(error[1])


def test_progress_is_kept_and_outside_a_job_there_is_none(desk: PlatformDesk) -> None:
    assert result(desk, "many", "progress") == 1
    assert run(desk, "many", "outside")["error"] == "Error: setProgress: this run is no job"


def test_a_strangers_script_is_none(desk: PlatformDesk) -> None:
    desk.script("thief", THIEF, client=desk.beta, kind="app")
    report = run(desk, "thief", client=desk.beta, of="many")
    assert report["error"] == "Error: there is no script 'many'"


def test_a_script_that_was_saved_just_now_runs(desk: PlatformDesk) -> None:
    for number in range(5):
        desk.script("changing", f"export const main = () => {number};\nexport const f{number} = () => {number};\n")
        desk.script("asks", ASKS, kind="app")
        assert result(desk, "asks", fn=f"f{number}") == number


def test_a_platform_that_is_killed_loses_no_job(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more=SETTINGS)
    desk.script("many", MANY, kind="app")
    for number in range(30):
        result(desk, "many", "begin", fn="slow", data={"key": f"k{number}", "ms": 700})
    wait_until(lambda: count(desk, "k0:begun") > 0, "it runs")
    desk.program.signal(signal.SIGKILL)
    desk.program.finish()
    start_again(desk)
    wait_until(lambda: all(count(desk, f"k{number}:ended") for number in range(30)), "all have ended", seconds=60)
    assert desk.program.lines("Traceback") == []
    desk.stop()


def test_what_is_under_way_at_the_end_is_given_back_at_once(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more=SETTINGS.replace("lease_seconds = 1", "lease_seconds = 3600"))
    desk.script("many", MANY, kind="app")
    result(desk, "many", "begin", fn="slow", data={"key": "short", "ms": 500})
    result(desk, "many", "begin", fn="slow", data={"key": "long", "ms": 6_000})
    wait_until(lambda: count(desk, "long:begun") == 1, "it runs")
    os.kill(desk.program.process.pid, signal.SIGTERM)
    assert desk.program.finish() == 0
    assert desk.program.lines("Traceback") == []
    start_again(desk)
    wait_until(lambda: count(desk, "long:begun") == 2, "it runs again, long before its lease would have ended")
    wait_until(lambda: count(desk, "long:ended") == 1, "it ends")
    assert count(desk, "short:begun") == count(desk, "short:ended") == 1
    desk.stop()
