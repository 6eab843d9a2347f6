"""The declarations as an editor reads them: by the compilers of TypeScript 5 and 7, with the jsconfig.json written."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sidecar.cli import main

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
  const init = { method: "POST", body: JSON.stringify(mine), headers: { a: "b" } };
  const response = await fetch("https://x.example/", init);
  await setEnvVar("a", response.ok ? await response.text() : response.headers.get("x") ?? "");
  return (await getEnvVars()).a.length;
}

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
    "new URL('x')",
    "Buffer.from('x')",
    "crypto.randomUUID()",
    "structuredClone(1)",
    "new WeakRef({})",
    "performance.now()",
    "new TextEncoder()",
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


def compiled(compiler: Path, folder: Path) -> list[str]:
    assert main(["types", "--write", str(folder)]) == 0
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


def test_what_a_script_has_not_is_an_error_at_its_line(compiler: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.js").write_text("\n".join(f"function w{n}() {{ return {one} }}" for n, one in enumerate(WRONG)))
    found = compiled(compiler, tmp_path)
    assert [line.partition(",")[0] for line in found] == [f"wrong.js({n + 1}" for n in range(len(WRONG))], found
