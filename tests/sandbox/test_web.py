"""URL, bytes, clones, requests and responses, and cryptography, as scripts find them."""

import hashlib
import hmac
import json
import random
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import web
from sandbox.engine import RunBounds
from sandbox.outcome import Threw
from tests.acceptance.processes import require_program
from tests.sandbox.support import Driven, packed, result, running_pool, thrown, unpacked, written
from tests.sandbox.support import value as value_in_pool

WIDE = RunBounds(50_000_000, 16_384, 1_000)


def value(body: str, data: Any = None) -> Any:
    """What the body of an App's main gives."""
    return result(f"async function main(data) {{ {body} }}", data, True)


async def test_all_of_it_is_there_in_workers_which_open_no_file() -> None:
    async with running_pool() as pool:
        for names in (*((name,) for name in web.NAMES), web.NAMES, ("URL", "crypto")):
            asked = ", ".join(f"typeof {name}" for name in names)
            kinds = await value_in_pool(pool, f"async function main() {{ return [{asked}]; }}", suspends=True)
            assert "undefined" not in kinds


# ---- URLs ----


@pytest.mark.parametrize(
    ("url", "base", "href"),
    [
        ("../x?q=1#f", "http://User@EXAMPLE.com:80/a/b/c", "http://User@example.com/a/x?q=1#f"),
        ("http://[::1]:80/", None, "http://[::1]/"),
        ("http://[1:0:0:2::3]/", None, "http://[1:0:0:2::3]/"),
        ("http://0x7f.1/", None, "http://127.0.0.1/"),
        ("http://bücher.de/ü?ü#ü", None, "http://xn--bcher-kva.de/%C3%BC?%C3%BC#%C3%BC"),
        ("http://a\u00adb。c", None, "http://ab.c/"),
        ("file:///C|/x/../y", None, "file:///C:/y"),
        ("mailto:a@b c", None, "mailto:a@b c"),
        (" http://a/%7Efoo/./../x ", None, "http://a/x"),
        ("//h/p", "sip+x://a/b", "sip+x://h/p"),
        ("http://u:p@h:8080/", None, "http://u:p@h:8080/"),
        ("tel:+4420", None, "tel:+4420"),
        ("http://a b", None, None),
        ("http://1.2.3.4.5/", None, None),
        ("http://[::g]", None, None),
        ("http://h:99999", None, None),
        ("nope", None, None),
        ("http://", None, None),
    ],
)
def test_a_url_is_read(url: str, base: str | None, href: str | None) -> None:
    assert value("return URL.parse(data[0], data[1] ?? undefined)?.href ?? null", [url, base]) == href


def test_what_is_no_url_is_a_type_error_at_its_place() -> None:
    error = thrown("function main() {\n  return new URL('nope');\n}")
    assert (error.name, error.message) == ("TypeError", "Invalid URL: nope")
    assert error.location is not None
    assert error.location.line == 2


_SETTERS = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash", "href"]
_ONE = """
const one = ([s, base, setter, v]) => {
  let u;
  try { u = base === null ? new URL(s) : new URL(s, base); } catch { return "wrong"; }
  const all = () => [u.href, u.origin, u.host, u.pathname, u.search, u.hash, u.username, u.password];
  const before = all();
  try { u[setter] = v; } catch { return [before, "wrong"]; }
  u.searchParams.append("é ~", "x");
  return [before, all(), [...u.searchParams]];
};
"""


def test_urls_are_those_of_node() -> None:
    """Of what both read by the same edition of the standard."""
    drawn = random.Random(11)  # noqa: S311 - the same ones every time
    parts = [
        *(
            "ex.com",
            "EXAMPLE",
            "ü",
            "%41",
            "%2e",
            "..",
            ".",
            "1.2.3.4",
            ":80",
            ":8080",
            "/",
            "//",
            "\\",
            "?",
            "#",
            "a=b",
        ),
        *("é😀", "a", "B", " ", "\t", "~", "!", "$", "&", "(", "*", "+", ",", ";", "=", "[", "]", "'", '"', "<", "@"),
    ]
    cases = [
        [
            drawn.choice(["http://h", "https://", "file:///", "ftp://", "", "/", "?"])
            + "".join(drawn.choices(parts, k=drawn.randint(0, 6))),
            drawn.choice([None, "http://h:81/p/q?r#s", "file:///C:/d/e"]),
            drawn.choice([one for one in _SETTERS if one not in ("host", "hostname", "port")]),
            "".join(drawn.choices(parts, k=drawn.randint(0, 3))),
        ]
        for _ in range(1_500)
    ]
    script = f"{_ONE} console.log(JSON.stringify({json.dumps(cases)}.map(one)))"
    node = subprocess.run(
        [require_program("node"), "-"], input=script, capture_output=True, text=True, check=True, timeout=60
    )
    driven = Driven(f"{_ONE} function main(cases) {{ return cases.map(one); }}", bounds=WIDE)
    ours = driven.run(cases, cpu=60)
    assert isinstance(ours, list), ours
    for case, theirs, one in zip(cases, json.loads(node.stdout), ours, strict=True):
        assert one == theirs, case


def test_search_parameters() -> None:
    assert value("""
      const p = new URLSearchParams("?a=1&b=%20+&a=2&c");
      p.append("ü", "&="); p.delete("c"); p.set("b", 3); p.sort();
      return [p.toString(), p.get("a"), p.getAll("a"), p.get("none"), p.has("a", "2"), p.size, [...p.keys()],
        new URLSearchParams({ x: 1 }).toString(), new URLSearchParams([["y", "z"]]).toString()];
    """) == [
        "a=1&a=2&b=3&%C3%BC=%26%3D", "1", ["1", "2"], None, True, 4, ["a", "a", "b", "ü"], "x=1", "y=z",
    ]  # fmt: skip


def test_a_url_and_its_parameters_follow_each_other() -> None:
    assert value("""
      const u = new URL("http://h/?a=1");
      const p = u.searchParams;
      p.set("a", "2"); const one = u.href; u.search = "b=3"; const two = [...p]; p.delete("b");
      return [one, two, u.href, p === u.searchParams];
    """) == ["http://h/?a=2", [["b", "3"]], "http://h/", True]


# ---- bytes ----


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_a_text_is_its_utf_8(text: str) -> None:
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    given_back = value("const b = new TextEncoder().encode(data); return [[...b], new TextDecoder().decode(b)]", text)
    assert given_back == [list(sound.encode()), sound.removeprefix("\ufeff")]


@given(st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_utf_8_are_read_as_python_reads_them(data: bytes) -> None:
    expected = data.decode("utf-8", "replace").removeprefix("\ufeff")
    body = "return new TextDecoder().decode(new Uint8Array(data))"
    assert value(body, list(data)) == expected
    parts = """
      const d = new TextDecoder();
      return data.map((b) => d.decode(new Uint8Array([b]), { stream: true })).join("") + d.decode();
    """
    assert value(parts, list(data)) == expected


def test_other_encodings() -> None:
    assert value("return new TextDecoder('latin1').decode(new Uint8Array([0x80, 0xe9]))") == "€é"
    assert (
        value("return new TextDecoder('utf-16le').decode(new Uint8Array([0xe9, 0, 0x3d, 0xd8, 0, 0xde, 1]))")
        == "é😀\ufffd"
    )
    assert value("new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))").name == "TypeError"
    assert thrown("function main() { new TextDecoder('shift_jis') }").message.startswith(
        "the encoding shift_jis is not"
    )
    assert value("const b = new Uint8Array(4); return [new TextEncoder().encodeInto('aé😀', b), [...b]]") == [
        {"read": 2, "written": 3}, [97, 195, 169, 0],
    ]  # fmt: skip


# ---- clones ----


def test_a_clone_has_what_its_original_has() -> None:
    assert value("""
      const a = { d: new Date(5), m: new Map([[{ k: 1 }, { x: 1 }]]), s: new Set(["q"]), r: /x/gi, n: null, u: void 0,
        b: new Uint8Array([1, 2]), e: Object.assign(new RangeError("no"), { cause: [1] }), o: Object(1n), big: 2n,
        l: [1, , 3], nan: NaN };
      a.self = a;
      const b = structuredClone(a);
      return [b !== a, b.self === b, b.d.getTime(), [...b.m.values()][0].x, b.m.keys().next().value.k, b.s.has("q"),
        b.r.flags, b.n, "u" in b, [...b.b], b.b.buffer !== a.b.buffer, b.e instanceof RangeError, b.e.message,
        b.e.cause,
        typeof b.o, String(b.big), 1 in b.l, b.l.length, Number.isNaN(b.nan)];
    """) == [
        True, True, 5, 1, 1, True, "gi", None, True, [1, 2], True, True, "no", [1], "object", "2", False, 3, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "what", ["() => 1", "Symbol()", "{ a: () => 1 }", "[Symbol()]", "Promise.resolve()", "new WeakMap()"]
)
def test_what_cannot_be_cloned_says_so(what: str) -> None:
    assert value(f"try {{ structuredClone({what}) }} catch (e) {{ return [e.name, e instanceof DOMException] }}") == [
        "DataCloneError", True,
    ]  # fmt: skip


def test_a_clone_is_as_deep_as_its_original() -> None:
    body = """
      let a = []; for (let n = 0; n < 100000; n++) a = [a];
      let b = structuredClone(a), n = 0; while ((b = b[0])) n++; return n;
    """
    assert value(body) == 100_000


def test_what_is_transferred_is_gone() -> None:
    body = (
        "const b = new ArrayBuffer(8), c = structuredClone(b, { transfer: [b] }); return [b.byteLength, c.byteLength]"
    )
    assert value(body) == [0, 8]


# ---- events ----


def test_a_signal_is_aborted_once_and_tells_it() -> None:
    assert value("""
      const c = new AbortController(), seen = [];
      const any = AbortSignal.any([c.signal, new AbortController().signal]);
      any.onabort = () => seen.push("any");
      c.signal.addEventListener("abort", (e) => seen.push(e.type, e.target === c.signal));
      c.signal.addEventListener("abort", () => seen.push("once"), { once: true });
      c.abort("why"); c.abort("again");
      try { any.throwIfAborted(); } catch (e) { seen.push(e); }
      return [seen, c.signal.aborted, any.reason, AbortSignal.abort().reason.name];
    """) == [["abort", True, "once", "any", "why"], True, "why", "AbortError"]  # fmt: skip


def test_a_signal_of_a_time_is_aborted_by_the_runs_clock() -> None:
    text = """
      const s = AbortSignal.timeout(5000);
      const main = () => new Promise((go) => { s.onabort = () => go(s.reason.name); });
    """
    driven = Driven(text, True)
    assert driven.start() == "W05000"
    assert driven.fire(5000) == 'R0"TimeoutError"'


def test_performance_counts_from_the_runs_begin() -> None:
    body = (
        "const at = performance.now(); await new Promise((go) => setTimeout(go, 250)); return [at, performance.now()]"
    )
    assert Driven(f"const main = async () => {{ {body} }}", True).run() == [0, 250]
    assert Driven("const main = () => performance.timeOrigin").run() == 1000


# ---- requests and responses ----


def test_headers_are_named_in_any_spelling_and_joined() -> None:
    assert value("""
      const h = new Headers({ "Content-Type": "a", X: " 1 " });
      h.append("x", "2"); h.append("Set-Cookie", "a=1"); h.append("set-cookie", "b=2"); h.set("y", "1"); h.delete("Y");
      return [[...h], h.get("X"), h.has("content-TYPE"), h.getSetCookie(), h.get("none")];
    """) == [
        [["content-type", "a"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x", "1, 2"]],
        "1, 2", True, ["a=1", "b=2"], None,
    ]  # fmt: skip
    for wrong in ("new Headers({ 'a b': 1 })", "new Headers({ a: 'x\\r\\ny: z' })", "new Headers([['a']])"):
        assert thrown(f"function main() {{ {wrong} }}").name == "TypeError"


def test_a_request_and_a_response_have_their_bodies_once() -> None:
    assert value("""
      const q = new Request("https://a.b/c?d", { method: "post", body: JSON.stringify({ a: 1 }) });
      const copy = q.clone();
      const read = await q.json();
      const again = await q.text().catch((e) => e.name);
      const p = Response.json({ x: 1 }, { status: 201 });
      const form = new Response(new URLSearchParams({ a: "b c" }));
      return [q.method, q.url, q.headers.get("content-type"), read, again, await copy.text(), p.ok, p.status,
        p.headers.get("content-type"), await p.text(), await form.text(), form.headers.get("content-type"),
        [...await new Response(new Uint8Array([1, 2])).bytes()], await new Response().text(),
        Response.redirect("http://x/").headers.get("location")];
    """) == [
        "POST", "https://a.b/c?d", "text/plain;charset=UTF-8", {"a": 1}, "TypeError", '{"a":1}', True, 201,
        "application/json", '{"x":1}', "a=b+c", "application/x-www-form-urlencoded;charset=UTF-8", [1, 2], "",
        "http://x/",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        "new Request('nope')", "new Request('http://u:p@h')", "new Request('http://h', { method: 'TRACE' })",
        "new Request('http://h', { body: 'x' })", "new Response('x', { status: 204 })",
        "new Response('', { status: 99 })", "new AbortSignal()", "new Response((async function* () {})())",
    ],
)  # fmt: skip
def test_what_cannot_be_a_request_or_a_response_says_so(wrong: str) -> None:
    error = value(wrong)
    assert isinstance(error, Threw)
    assert error.name in ("TypeError", "RangeError")


# ---- cryptography ----


@pytest.mark.parametrize("name", ["SHA-1", "SHA-256", "SHA-384", "SHA-512"])
@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1_000, 300_000])
def test_digests_and_hmac_are_those_of_openssl(name: str, length: int) -> None:
    python = name.replace("-", "").lower()
    data, key = random.Random(length).randbytes(length), b"k" * (length % 300 + 1)  # noqa: S311
    body = """
      const bytes = new Uint8Array(data.bytes), subtle = crypto.subtle;
      const algorithm = { name: "HMAC", hash: data.name };
      const key = await subtle.importKey("raw", new Uint8Array(data.key), algorithm, false, ["sign", "verify"]);
      const signature = await subtle.sign("HMAC", key, bytes);
      const right = await subtle.verify("HMAC", key, signature, bytes);
      new Uint8Array(signature)[3] ^= 1;
      const wrong = await subtle.verify("HMAC", key, signature, bytes);
      new Uint8Array(signature)[3] ^= 1;
      return [[...new Uint8Array(await subtle.digest(data.name, bytes))], [...new Uint8Array(signature)], right, wrong];
    """
    given_in = {"bytes": list(data), "key": list(key), "name": name}
    assert value(body, given_in) == [
        list(hashlib.new(python, data).digest()), list(hmac.new(key, data, python).digest()), True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("await crypto.subtle.digest('MD5', new Uint8Array())", "NotSupportedError"),
        ("await crypto.subtle.encrypt({ name: 'AES-GCM' })", "NotSupportedError"),
        ("await crypto.subtle.importKey('raw', new Uint8Array(1), 'AES-GCM', true, [])", "NotSupportedError"),
        ("await crypto.subtle.importKey('jwk', {}, { name: 'HMAC', hash: 'SHA-1' }, true, [])", "NotSupportedError"),
        ("const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-1' }, false, ['sign']);"
         "await crypto.subtle.exportKey('raw', key)", "InvalidAccessError"),
        ("await crypto.subtle.sign('HMAC', {}, new Uint8Array())", "TypeError"),
        ("crypto.getRandomValues(new Uint8Array(65537))", "QuotaExceededError"),
        ("crypto.getRandomValues(new Float64Array(1))", "TypeMismatchError"),
    ],
)  # fmt: skip
def test_what_there_is_not_of_cryptography_says_so(body: str, name: str) -> None:
    assert value(f"try {{ {body} }} catch (e) {{ return e.name }}") == name


def uuids(driven: Driven, seed: int, clock: float = 1000.0) -> Any:
    driven.context.limit_time(2.0)
    status = driven.context.start(packed(None), "", clock, seed=seed)
    return unpacked(status.payload)


def test_random_bytes_are_the_same_for_the_same_seed_and_time_and_no_others() -> None:
    driven = Driven("function main() { Math.random(); return [crypto.randomUUID(), crypto.randomUUID()]; }")
    first = uuids(driven, 7)
    assert first == uuids(driven, 7)
    seen = {*first, *uuids(driven, 8), *uuids(driven, 7, 2000.0)}
    assert len(seen) == 6
    assert all(one[14] == "4" and one[19] in "89ab" for one in seen)
    # Another engine's secret is another.
    assert uuids(Driven(driven.program.text), 7) != first


def test_random_bytes_go_on_where_a_run_that_waited_has_left_off() -> None:
    text = """
      const n = () => [...crypto.getRandomValues(new Uint8Array(40))];
      async function main(waits) {
        const one = n();
        if (waits) await new Promise((go) => setTimeout(go, 1));
        return [one, n()];
      }
    """
    driven = Driven(text, True)
    at_once = driven.run(False)
    assert driven.run(True) == at_once
    assert at_once[0] != at_once[1]


def test_no_two_blocks_of_a_run_are_the_same() -> None:
    made = result("function main() { return [...crypto.getRandomValues(new Uint8Array(65536))]; }")
    blocks = {bytes(made[place : place + 64]) for place in range(0, len(made), 64)}
    assert len(blocks) == 1_024
    assert 125 < sum(made) / len(made) < 130


# ---- where it is ----


def test_a_program_has_what_it_names() -> None:
    text = "const main = () => names.filter((name) => name in globalThis); const names = {0}"
    assert result(text.replace("{0}", json.dumps([*web.NAMES]))) == list(web.NAMES)
    hidden = json.dumps([[name[:1], name[1:]] for name in web.NAMES]) + ".map((parts) => parts.join(''))"
    assert result(text.replace("{0}", hidden)) == []
    assert result("new TextEncoder();" + text.replace("{0}", hidden)) == ["TextEncoder", "TextDecoder"]


@pytest.mark.parametrize("name", web.NAMES)
@pytest.mark.parametrize("suspends", [False, True])
def test_each_of_them_is_there_by_itself(name: str, suspends: bool) -> None:
    assert result(f"function main() {{ return typeof {name} }}", None, suspends) in ("function", "object")


@pytest.mark.parametrize("use", ["URL.name", "globalThis.URL.name", "globalThis?.URL.name", "globalThis['URL'].name"])
def test_it_is_found_however_it_is_named(use: str) -> None:
    assert result(f"function main() {{ return {use} }}") == "URL"
    assert result("function main() { return typeof URL }") == "function"
    assert result("function main({ URL }) { return URL }", {"URL": 5}) == 5


@pytest.mark.parametrize("name", web.NAMES)
def test_a_script_may_put_its_own_in_place(name: str) -> None:
    assert value(f"globalThis.{name} = 1; return {name}") == 1
    assert result(f"const {name} = 2; function main() {{ return {name} }}") == 2
    assert value(f"return [typeof {name}, Object.keys(globalThis)]") in (["function", []], ["object", []])


@pytest.mark.parametrize("expression", ["new Request('http://x')", "new Response()", "crypto.subtle"])
def test_what_waits_is_not_in_a_script(expression: str) -> None:
    error = thrown(f"function main() {{ return {expression} }}")
    assert "is not available in a Script, which is synchronous" in error.message


def test_what_one_run_does_to_it_the_next_does_not_see() -> None:
    text = """
      function main() {
        const was = URL.x ?? null;
        URL.x = 1; URLSearchParams.prototype.get = () => "evil";
        return [was, new URL("http://h?a=b").searchParams.get("a")];
      }
    """
    driven = Driven(text)
    assert [driven.run(), driven.run()] == [[None, "evil"]] * 2


def test_a_digest_of_much_is_interrupted() -> None:
    driven = Driven(
        "async function main() { const b = new Uint8Array(60e6); for (;;) await crypto.subtle.digest('SHA-512', b); }",
        True,
        memory_bytes=200_000_000,
    )
    assert driven.start(cpu=0.2).startswith("T0")
    assert written(driven.context.start(packed(None), "", 0.0)) != ""
