"""Dates, numbers and texts by locale: as Node has them, from the system's tzdata, in both sorts of runs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.intl.compare import answers, differences, node_cases
from sandbox.engine import Context, LoadedProgram
from sandbox.intl import library
from sandbox.intl.time_zones import parse_zone, zone_entries, zone_files
from sandbox.program import Program
from tests.sandbox.support import packed, suspended, unpacked

SAMPLE = Path(__file__).with_name("intl_sample.jsonl")
ADAPTER = "({ prepare: (x) => x, collect: (x, y) => y, caught: () => undefined })"


def evaluated(expression: str) -> Any:
    (answer,) = answers([expression])
    return answer


def sample() -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines())


def test_a_thousand_answers_are_nodes() -> None:
    """Taken from Node 20 by bench/intl/cases.mjs: random instants, zones and options, numbers and comparisons."""
    assert list(differences(sample())) == []


def test_a_thousand_new_questions_have_nodes_answers() -> None:
    """Another seed each time; Node's tzdata may be another release, of which some instants tell."""
    assert shutil.which("node"), "install Node 20: make test installs it from Debian"
    seed = int(Path("/proc/sys/kernel/random/uuid").read_text(encoding="ascii")[:8], 16)
    found = list(differences(node_cases(1_000, seed)))
    assert len(found) <= 2, (seed, found)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("new Date(1795766400000).toLocaleString('en-US',{timeZone:'America/New_York',hour:'numeric',hour12:false})",
         "03"),
        # Over both changes of the clocks, to the second.
        ("new Date(1711846799000).toLocaleTimeString('de',{timeZone:'Europe/Berlin'})", "01:59:59"),
        ("new Date(1711846800000).toLocaleTimeString('de',{timeZone:'Europe/Berlin'})", "03:00:00"),
        ("new Date(1729990799000).toLocaleTimeString('de',{timeZone:'Europe/Berlin'})", "02:59:59"),
        ("new Date(1729990800000).toLocaleTimeString('de',{timeZone:'Europe/Berlin'})", "02:00:00"),
        # By the rule beyond tzdata's table, and in a zone whose summer is the other half of the year.
        ("new Date(Date.UTC(2199,6,1)).toLocaleTimeString('en-GB',{timeZone:'Europe/London'})", "01:00:00"),
        ("new Date(Date.UTC(2199,0,1)).toLocaleTimeString('en-GB',{timeZone:'Australia/Sydney'})", "11:00:00"),
        ("new Date(0).toLocaleDateString('sv-SE',{timeZone:'UTC'})", "1970-01-01"),
        ("new Date(0).toLocaleString('en-GB',{timeZone:'+05:30'})", "01/01/1970, 05:30:00"),
        ("new Date(0).toLocaleTimeString('en-US',{timeZone:'UTC'})", "12:00:00 AM"),
        ("new Intl.DateTimeFormat('en-US',{timeStyle:'short',timeZone:'UTC'}).formatToParts(0)[3].value", "\u202f"),
        ("new Date(NaN).toLocaleString('en')", "Invalid Date"),
        ("new Date(0).toLocaleDateString(['xx','fr'],{timeZone:'UTC',dateStyle:'full'})", "jeudi 1 janvier 1970"),
        ("Intl.DateTimeFormat('de',{timeZone:'europe/berlin'}).resolvedOptions().timeZone", "Europe/Berlin"),
        ("Intl.DateTimeFormat('de-u-hc-h12',{hour:'numeric'}).resolvedOptions().hourCycle", "h12"),
        ("[1234.5, new Date(0)].toLocaleString('de',{timeZone:'UTC',minimumFractionDigits:2})",
         "1.234,50,1.1.1970, 00:00:00"),
        ("(1.005).toLocaleString('en',{maximumFractionDigits:2})", "1.01"),
        ("123456789012345678901234567890n.toLocaleString('de')", "123.456.789.012.345.678.901.234.567.890"),
        ("(1e21).toLocaleString('en')", "1,000,000,000,000,000,000,000"),
        ("(12.5).toLocaleString('de',{style:'currency',currency:'EUR'})", "12,50\u00a0€"),
        ("['gw10','gw9','GW1'].sort((a,b)=>a.localeCompare(b,undefined,{numeric:true}))", ["GW1", "gw9", "gw10"]),
        ("['b','a','B','ä','A'].sort((a,b)=>a.localeCompare(b))", ["a", "A", "ä", "b", "B"]),
        ("'résumé'.localeCompare('RESUME','fr',{sensitivity:'base'})", 0),
        ("['o','ñ','n'].sort(new Intl.Collator('es').compare)", ["n", "ñ", "o"]),
        ("'I'.toLocaleLowerCase('en')", "i"),
        ("Object.keys(Intl).length + Object.getOwnPropertyNames(Intl).length", 4),
    ],
)  # fmt: skip
def test_single_values(expression: str, expected: object) -> None:
    assert evaluated(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "new Date().toLocaleString('it-IT')",
        "new Date().toLocaleString('not a tag')",
        "new Date().toLocaleString('de',{timeZone:'Europe/Berln'})",
        "new Date().toLocaleString('de',{timeZoneName:'shortGeneric'})",
        "new Date().toLocaleString('de',{calendar:'buddhist'})",
        "new Date().toLocaleString('de-u-nu-arab')",
        "new Date().toLocaleString('de',{hour:'long'})",
        "(5).toLocaleString('de',{notation:'compact'})",
        "(5).toLocaleString('de',{style:'unit',unit:'liter'})",
        "(5).toLocaleString('de',{style:'currency',currency:'EUR',currencyDisplay:'name'})",
        "(5).toLocaleString('de',{roundingIncrement:5})",
        "'a'.localeCompare('b','de',{usage:'search'})",
        "'a'.localeCompare('b','de',{sensitivity:'none'})",
        "'a'.toLocaleUpperCase('tr')",
        "new Intl.DateTimeFormat('en').format(8.64e15 + 1)",
    ],
)
def test_what_cannot_be_honoured_is_a_range_error(expression: str) -> None:
    assert evaluated(expression) == {"throws": "RangeError"}


@pytest.mark.parametrize(
    "expression",
    [
        "new Date().toLocaleString('de',{dateStyle:'full',hour:'numeric'})",
        "new Date().toLocaleDateString('de',{timeStyle:'full'})",
        "(5).toLocaleString('de',{style:'currency'})",
        "new Date().toLocaleString(null)",
        "Intl.DateTimeFormat.prototype.format",
        "Date.prototype.toLocaleString.call(1)",
        "Number.prototype.toLocaleString.call('1')",
        "String.prototype.localeCompare.call(null, 'a')",
        "new Intl.PluralRules('en')",
    ],
)
def test_wrong_use_is_a_type_error(expression: str) -> None:
    assert evaluated(expression) == {"throws": "TypeError"}


def test_the_error_of_a_locale_says_which_there_are() -> None:
    text = "(() => { try { new Date().toLocaleString('it') } catch (error) { return error.message } })()"
    assert evaluated(text).startswith("the locale 'it' is not available; there are en-US, ")


def run(text: str, suspends: bool = False, runs: int = 1) -> tuple[Context, list[bytes]]:
    context = Context(suspends)
    loaded = context.load(Program(key="a", name="a", suspends=suspends, text=text, adapter=ADAPTER))
    assert isinstance(loaded, LoadedProgram)
    payloads = []
    for _ in range(runs):
        context.limit_time(5.0)
        payloads.append(context.start(packed({}), "", 0.0).payload)
    return context, payloads


def test_an_app_has_it_too() -> None:
    _, (payload,) = run(
        "function main() { return new Date(0).toLocaleTimeString('de', { timeZone: 'Asia/Tokyo' }) }", True
    )
    assert unpacked(payload) == "09:00:00"


def test_a_script_that_hides_the_names_has_it_too() -> None:
    """A text that names nothing of it has its code compiled when it is asked for."""
    _, payloads = run("function main() { return (1234)['toLo' + 'caleString']('de') }", runs=2)
    assert [unpacked(payload) for payload in payloads] == ["1.234"] * 2


def held(context: Context) -> int:
    """Bytes of the run that has ended in it, as an image."""
    image = suspended(context, 100_000_000, b"")
    assert image is not None
    return len(image)


def test_a_context_that_does_not_use_it_is_no_larger() -> None:
    context, _ = run("function main() { return 1 }", suspends=True)
    before = held(context)
    assert before < 20_000
    used, _ = run("function main() { return new Date(0).toLocaleString('de', { timeZone: 'Europe/Berlin' }) }", True)
    assert held(used) - before < 150_000


def test_no_script_has_the_librarys_bytes() -> None:
    """Whatever is replaced of the language before the first use, only texts come out."""
    text = """
    const seen = [];
    for (const [owner, names] of [[String, ['fromCharCode']], [String.prototype, ['charCodeAt', 'split', 'replace']],
                                  [JSON, ['parse']], [Uint8Array.prototype.__proto__, ['subarray', 'set']]])
      for (const name of names) {
        const before = owner[name];
        owner[name] = function (...values) { seen.push(this, ...values); return Reflect.apply(before, this, values) };
      }
    function main() {
      try { new Date(0).toLocaleString('de', { timeZone: 'Europe/Berlin' }); 'ä'.localeCompare('b') } catch {}
      return seen.some((one) => ArrayBuffer.isView(one) || one instanceof ArrayBuffer) || 'handedOver' in globalThis;
    }
    """
    _, (payload,) = run(text)
    assert unpacked(payload) is False


def test_every_zone_of_the_system_is_read() -> None:
    files = dict(zone_files())
    assert len(files) > 400
    assert {"UTC", "Europe/Berlin", "US/Eastern", "Etc/GMT+5"} <= files.keys()
    assert not any(name.startswith(("posix/", "right/")) for name in files)
    keys = dict(zone_entries())
    assert json.loads(keys["zone/asia/kolkata"])[0] == "Asia/Kolkata"
    assert all(f"zone/{name.lower()}" in keys for name in files)


@pytest.mark.parametrize("data", [b"", b"TZif", b"TZif2" + bytes(39), b"x" * 200])
def test_a_file_that_is_no_zone_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="TZif"):
        parse_zone(data)


def test_without_tzdata_there_is_utc_and_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.intl.time_zones.zone_files", lambda: iter(()))
    keys = dict(zone_entries())
    assert json.loads(keys["zone/utc"])[0] == "UTC"
    assert "zone/europe/berlin" not in keys
    assert "this machine has no tzdata" in library.code()


def test_the_library_finds_each_of_its_keys() -> None:
    text = library.text()
    assert text.isascii()
    size = int(text[: library.INDEX_DIGITS])
    index = text[library.INDEX_DIGITS : library.INDEX_DIGITS + size].decode().splitlines()
    keys = [line.partition("\t")[0] for line in index]
    assert keys == sorted(set(keys))
    for line in index:
        begin, _, end = line.partition("\t")[2].partition(",")
        json.loads(text[int(begin) : int(end)])
