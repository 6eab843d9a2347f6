"""The declarations as an editor reads them: by the compilers of TypeScript 5 and 7, with the jsconfig.json written."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.npm.writing import add_modules
from tests.sidecar.npm.test_writing import built, told

FOLDER = Path(__file__).with_name("editor")
EXAMPLES = Path(__file__).parents[3] / "examples" / "scripts"
GOOD = """
/** @type {ScriptForge.Main} */
function main(data) {
  const at = new Date().toLocaleString("en-GB", { timeZone: "Europe/London", dateStyle: "full" });
  const format = new Intl.DateTimeFormat("de", { hour: "numeric", hourCycle: "h23", timeZoneName: "longOffset" });
  console.log(at, format.formatToParts(), format.resolvedOptions().hourCycle, (5n).toString(), BigInt(4) + 1n);
  console.log("a".localeCompare("b", undefined, { numeric: true, sensitivity: "base" }), [..."a".matchAll(/a/g)]);
  console.log((5).toLocaleString("de", { style: "currency", currency: "EUR", signDisplay: "always" }), btoa("x"));
  console.log([1].toSorted(), "x".at(0), [1].findLast(Boolean), Object.hasOwn({}, "a"), new Map(), process.env.APP_ID);
  data.headers = [{ key: "X-At", value: at }];
  return data;
}

/** @type {ScriptForge.VoiceMain} */
async function voice(data, ctx) {
  await Promise.any([ctx.answer()]);
  return ctx.ivr("user/x.wav", 5, 1, 1);
}

async function web() {
  const url = new URL("/x", "http://h");
  url.searchParams.set("a", crypto.randomUUID());
  const request = new Request(url, { method: "POST", body: new URLSearchParams({ a: "b" }), headers: { X: "1" } });
  const bytes = new TextEncoder().encode(await request.text());
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, structuredClone(bytes));
  const { signal } = new AbortController();
  signal.addEventListener("abort", () => performance.now(), { once: true });
  return [Response.json({ a: signature }).status, new TextDecoder().decode(bytes), crypto.getRandomValues(bytes)];
}

async function modules() {
  const { kv, ko, incr } = require("cxKV");
  if (Number(await kv.get("a")) > 1) await ko.set("b", { c: [await incr("n", 1, 60)] }, 60);
  const userspace = require("cxUserspace"), { email, sms } = require("cxSend");
  await userspace.delete("list", "a");
  const [row] = await userspace.get("list", { carrier: "x" }, { limit: 1 });
  const [{ n }] = await userspace.sql("select count(*) as n from list where key = :key", { key: row.key });
  await email({ to: "a@x.example", template: "t", vars: { n } });
  const parts = (await sms("4930", "x")) + 1;
  const mine = await require("cxRest")(process.env.cx_api_user).get("did", { customer_id: parts });
  const { subscribe } = require("cxPubSub");
  (await subscribe("t", "*", (note, { key }) => console.log(note, key))).unsubscribe();
  const { C4, C5 } = require("cxCallControl");
  const { id } = await require("cxOriginate").originate(1207, "main", "201", "4930", "4940");
  const c5 = await C5(["main"]);
  const call = await c5.originate(null, "main", "201", "4930", "trunk/carrier/4940");
  call.on("ringing", () => {}).on("ended", ({ code, by }) => console.log(code, by));
  await call.answered();
  await c5.hangup(id, "USER_BUSY");
  console.log((await call.ended()).seconds, (await c5.calls())[0].id);
  console.log((await (await C4()).registrations("201"))[0].expires);
  await api.lookup.hlr("4930").then((found) => api.send.sms({ to: "4930", text: found.status }));
  console.log(require("cxHelper").generatePbxSecurityKey(1207, "main").length);
  const init = { method: "POST", body: JSON.stringify(mine), headers: { a: "b" } };
  const response = await fetch("https://x.example/", init);
  await setEnvVar("a", response.ok ? await response.text() : response.headers.get("x") ?? "");
  return (await getEnvVars()).a.length;
}

/** @type {ScriptForge.DidDriver} */
const carrier = {
  search: ({ number }) => [{ did: number + "1", monthly: 2 }],
  allocate: async ({ did }) => (did === "1" ? null : { did, package_id: 7, customer_id: null }),
  release: async () => true,
};

/** @type {ScriptForge.Alert} */
const late = ({ alert }) => (alert.repeat > 1 ? { text: alert.title, level: "warning" } : false);

/** @type {ScriptForge.WorkerMain} */
const worker = (message, { id, attempt }) => [message, id, attempt, carrier, late];

function older() {
  vars().routing.cli = "1";
  vars.routing.cli = "2";
  vars.headers = [{ key: "X-A", value: 1 }];
  exit(vars);
}
"""
WRONG = (
    "fetch()",
    "require('cxKV').incr()",
    "require('cxUserspace').knex('x')",
    "require('cxOriginate').originate('main')",
    "require('cxCallControl').AI(['main'])",
    "api.send.notify('x')",
    "new Blob(['x'])",
    "crypto.createHash('md5')",
    "new FormData()",
    "new WeakRef({})",
    "performance.mark('x')",
    "new ReadableStream()",
    "new Intl.PluralRules('en')",
    "new Intl.RelativeTimeFormat('en')",
    "new Intl.ListFormat('en')",
    "new Intl.DateTimeFormat('en').formatRange(1, 2)",
    "console.table([])",
    "process.exit(1)",
    "(5).toLocaleString('de', { notation: 'compact' })",
    "new Date().toLocaleString('de', { timezone: 'UTC' })",
)


@pytest.fixture(params=["typescript5", "typescript7"])
def compiler(request: pytest.FixtureRequest) -> Path:
    path = FOLDER / "node_modules" / str(request.param) / "bin" / "tsc"
    if not path.exists():
        pytest.fail(f"the compilers are not installed: run `npm ci --ignore-scripts` in {FOLDER}")
    return path


def compiled(compiler: Path, folder: Path, *words: str) -> list[str]:
    assert main(["types", "--write", str(folder), *words]) == 0
    command = ["node", str(compiler), "-p", str(folder / "jsconfig.json")]
    result = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=100)
    assert result.stderr == ""
    return [line for line in result.stdout.splitlines() if not line.startswith(" ")]


def test_what_a_script_has_is_right(compiler: Path, tmp_path: Path) -> None:
    (tmp_path / "good.js").write_text(GOOD)
    for script in EXAMPLES.glob("*.js"):
        shutil.copy(script, tmp_path)
    # Each script of a folder is one of its own, also where all of them have a main.
    assert compiled(compiler, tmp_path) == []


def test_files_of_an_app_are_one(compiler: Path, tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text(
        "import { double } from './lib';\nimport data from './data.json' with { type: 'json' };\n"
        "/** @type {ScriptForge.AsyncMain} */\nexport async function main(all) {\n"
        "  all.routing.cli = double(data.n).toFixed(0);\n  return all;\n}\n"
    )
    (tmp_path / "lib.ts").write_text(
        "import type { N } from './types.ts';\nexport const double = (n: N): number => n * 2;\n"
        "export const main: ScriptForge.Main = (data) => data.routing;\n"
    )
    (tmp_path / "types.ts").write_text("export type N = number;\n")
    (tmp_path / "old.js").write_text("const { double } = require('./lib');\nmodule.exports = { double };\n")
    (tmp_path / "data.json").write_text('{"n": 1}')
    assert compiled(compiler, tmp_path) == []
    (tmp_path / "wrong.ts").write_text("enum A { B }\nexport const x: string = 1;\n")
    assert [line.partition(",")[0] for line in compiled(compiler, tmp_path)] == ["wrong.ts(1", "wrong.ts(2"]


MODULES = """
import moment, { utc } from 'moment';
import { createHash } from 'node:crypto';
import * as path from 'path';
import parse from 'csv-parse/lib/sync';
import { own } from '@own/typed';
const hash = createHash('md5').update(Buffer.from('a'));
export const main = () => [moment, utc(), hash, path.join('a'), parse(''), own.toFixed()];
"""


def test_modules_that_are_there_may_be_imported(compiler: Path, tmp_path: Path) -> None:
    folder, modules = tmp_path / "scripts", tmp_path / "modules"
    typed = folder / "node_modules" / "@own" / "typed"
    typed.mkdir(parents=True)
    (typed / "package.json").write_text('{"name": "@own/typed", "version": "1.0.0", "types": "index.d.ts"}')
    (typed / "index.d.ts").write_text("export const own: number;\n")
    (folder / "good.js").write_text(MODULES)
    (folder / "older.js").write_text("const moment = require('moment');\nexports.main = () => moment();\n")
    add_modules(modules, [built("moment"), built("@own/typed"), built("csv-parse/lib/sync")], told)
    (tmp_path / "sidecar.toml").write_text(f'[modules]\ndirectory = "{modules}"\n')
    words = ("--config", str(tmp_path / "sidecar.toml"))
    assert compiled(compiler, folder, *words) == []
    (folder / "wrong.ts").write_text("import a from 'not-there';\nimport { own } from '@own/typed';\nown.none;\n")
    assert [line.partition(",")[0] for line in compiled(compiler, folder, *words)] == ["wrong.ts(1", "wrong.ts(3"]


def test_what_a_script_has_not_is_an_error_at_its_line(compiler: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.js").write_text("\n".join(f"function w{n}() {{ return {one} }}" for n, one in enumerate(WRONG)))
    found = compiled(compiler, tmp_path)
    assert [line.partition(",")[0] for line in found] == [f"wrong.js({n + 1}" for n in range(len(WRONG))], found
