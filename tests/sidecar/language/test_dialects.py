"""Whole scripts as authors write them, in both dialects: they pass the check, and it is known what may be called."""

import msgspec
import pytest

from sandbox.outcome import Threw
from sandbox.program import Form
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.language.prepared import Prepared, prepare
from sidecar.problem import Severity
from tests.sidecar.language.app import driven

MODULES = frozenset(
    ["cxC5Server", "cxKV", "cxUserspace", "cxRest", "cxOriginate", "cxSend", "cxJob", "cxPubSub", "cxWebSocket"]
)
TOO_MANY_CALLS = """const { kv, incr } = require('cxKV');
async function main(data) {
  const key = 'calls:' + data.routing.cli;
  if (await kv.get(key) >= 1000) throw new Error('603 Blocked');
  if (await incr(key, 1, 60) > 3) await incr(key, 1000, 600);
}
"""
COUNTING = "import { incr } from 'cxKV'; export const main = () => incr('n');"
BLOCK_LIST = """import { read } from 'cxUserspace';
export async function main(data) {
  const row = await read(data.list.db, data.routing.dest_number);
  if (row) return Promise.reject([604, 'Blocked: ' + row.value]);
  return data;
}
"""
CALLER_ID = """const api = require('cxRest')(process.env.cx_api_user);
async function main(data) {
  const mine = await api.get('did', { customer_id: data.routing.account_id });
  if (!mine.length) throw new Error('403 No Number');
  data.routing.cli = mine[data.routing.dest_number.length % mine.length].did;
  return data.routing;
}
"""
DRIVER = """const base = process.env.PROVIDER;
module.export = {
  search: async ({ number }) => (await ask('free', number)).map((n) => ({ did: n, monthly: 2 })),
  allocate: async ({ did }) => ((await ask('buy', did)).ok ? { did, package_id: 7, customer_id: null } : null),
  release: async ({ did }) => (await ask('free', did)).ok,
  list: async () => (await ask('mine')).map((did) => ({ did })),
};
async function ask(what, which) { return base + what + which; }
"""
CLICK_TO_CALL = """import { originate } from 'cxOriginate';
export async function send({ key, phone }) {
  if (key !== process.env.KEY) throw new Error('401 Unauthorized');
  if (!/^\\d{6,15}$/.test(phone)) throw new Error('400 No Phone');
  await originate(1207, 'main', '201', phone, phone);
  return { status: 'calling' };
}
function secret() { return process.env.KEY; }
"""
FORM = """const userspace = require('cxUserspace'), { email } = require('cxSend');
async function main(data) {
  const { _company, number, carrier } = data;
  await userspace.create('porting', number, { carrier, company: _company.company_id });
  await email({ to: 'porting@carrier.example', template: 'porting', vars: { number, carrier } });
  return { __: { action: { name: 'redirect', params: ['/thanks'] } } };
}
"""
JOB = """import cxJob from 'cxJob';
export async function main(data) {
  const job = await cxJob.add(process.env.SCRIPTFORGE_ID, 'work', { done: 0, of: data.of }, { attempts: 3, delay: 50 });
  return await job.result;
}
export async function work(data) {
  cxJob.setProgress(data.done / data.of);
  if (data.done < 2) { cxJob.setData({ ...data, done: data.done + 1 }); throw new Error('again'); }
  return { done: data.done, attempt: process.env.JOB_ATTEMPT };
}
"""
LIVE_EVENTS = """import { publish, subscribe } from 'cxPubSub';
import * as socket from 'cxWebSocket';
export async function main({ desk }) {
  const heard = await subscribe('desk', desk, (note) => socket.send(note));
  await socket.waitForClose();
  heard.unsubscribe();
}
export const onData = ({ desk, note }) => publish('desk', desk, { note });
"""
NEWER_VOICE = """import cxC5Server from 'cxC5Server';
const ctx = new cxC5Server(process.env.CORRELATION_ID);
export default async function main() { await ctx.answer(); }
"""
OLDEST = "const data = vars();\nif (data.routing.cli === '1') err([404, 'Not Found']);\nexit(data);\n"


@pytest.mark.parametrize(
    ("text", "form", "entries"),
    [
        (TOO_MANY_CALLS, Form.SCRIPT, ["main"]),
        (COUNTING, Form.MODULE, ["main"]),
        (BLOCK_LIST, Form.MODULE, ["main"]),
        (CALLER_ID, Form.SCRIPT, ["main"]),
        (DRIVER, Form.COMMON, ["search", "allocate", "release", "list"]),
        (CLICK_TO_CALL, Form.MODULE, ["send"]),
        (FORM, Form.SCRIPT, ["main"]),
        (JOB, Form.MODULE, ["main", "work"]),
        (LIVE_EVENTS, Form.MODULE, ["main", "onData"]),
        (NEWER_VOICE, Form.MODULE, ["main"]),
        (OLDEST, Form.SCRIPT, ["main"]),
        ("async function save({ limits }) { return limits }", Form.SCRIPT, ["save"]),
    ],
)
def test_a_script_as_it_is_written_is_right(text: str, form: Form, entries: list[str]) -> None:
    problems = check_script(text, Kind.APP, "a.js", modules=MODULES)
    assert [one for one in problems if one.severity is Severity.ERROR] == []
    found = prepare(text, Kind.APP, modules=MODULES)
    assert (found.form, list(found.entries)) == (form, entries)
    assert found.text.startswith(text)


def test_a_file_without_main_runs_its_default_export_and_one_with_neither_says_so() -> None:
    assert driven("export default () => 5").run() == 5
    error = driven("export const search = () => 5").run()
    assert isinstance(error, Threw)
    assert error.message == "no function main"


@pytest.mark.parametrize("text", [COUNTING, DRIVER, OLDEST])
def test_what_was_prepared_can_be_stored_and_is_the_same_again(text: str) -> None:
    found = prepare(text, Kind.APP, modules=MODULES)
    stored = msgspec.json.encode(found)
    assert msgspec.json.decode(stored, type=Prepared) == found
