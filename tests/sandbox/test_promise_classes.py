"""Promises of an author's own class: as the language has them, and nothing that they throw costs a worker."""

import pytest

from sandbox.outcome import Outcome, Returned, Threw
from tests.sandbox.support import SUSPENDS, Driven, ask, result, running_pool, thrown, value

ENDLESS = "() => { throw { toString() { for (;;); } }; }"
CLASS = f"const Evil = function (given) {{ given({ENDLESS}, {ENDLESS}); }}; Evil[Symbol.species] = Evil;"
SUBCLASS = f"{CLASS} class P extends Promise {{ static get [Symbol.species]() {{ return Evil; }} }}"
OWN = "Object.defineProperty(promise, 'constructor', { value: Evil, configurable: true });"
TWO_FACED = """let asked = 0;
  Object.defineProperty(promise, 'constructor', { configurable: true, get: () => (asked++ ? Evil : Promise) });"""
SETTLED = "await new Promise((resolve) => setTimeout(resolve, 1)); return 'mine';"


PROMISE = f"{CLASS} const promise = Promise.resolve(1);"


OTHERS: list[tuple[str, type[Outcome]]] = [
    (f"{SUBCLASS} P.resolve(1).then(() => 1);", Threw),
    (f"{SUBCLASS} P.reject(1).catch(() => 1);", Threw),
    (f"{SUBCLASS} P.resolve(1).finally(() => 1);", Threw),
    (f"{SUBCLASS} await P.resolve(1);", Threw),
    (f"{PROMISE} {OWN} promise.then();", Threw),
    (f"{PROMISE} {TWO_FACED} promise.then();", Returned),
    (f"{CLASS} try {{ Promise.prototype.constructor = Evil; }} catch {{ }}", Returned),
]


@pytest.mark.parametrize(("body", "expected"), OTHERS)
async def test_what_their_resolve_throws_costs_no_worker(body: str, expected: type[Outcome]) -> None:
    await _costs_no_worker(f"async function main() {{ {body} {SETTLED} }}", SUSPENDS, expected)


async def test_nor_does_it_in_a_script() -> None:
    body = f"{CLASS} const promise = (async () => 1)(); {OWN} promise.then(); return 'mine';"
    await _costs_no_worker(f"function main() {{ {body} }}", False, Returned)


async def _costs_no_worker(text: str, suspends: bool, expected: type[Outcome]) -> None:
    async with running_pool() as pool:
        outcome = (await ask(pool, text, suspends=suspends, cpu_seconds=0.3, wall_seconds=0.4)).outcome
        assert isinstance(outcome, expected), outcome
        assert await value(pool, "const main = (n) => n + 1", 1) == 2
        assert pool.state().deaths == {}
        assert pool.state().held == 0


@pytest.mark.parametrize("thrown", ["['later']", "['x'.repeat(2e6)]", "[{ toJSON() { throw 1; } }]", "1"])
def test_what_is_thrown_when_the_run_has_ended_changes_nothing(thrown: str) -> None:
    text = f"""async function main() {{
      const Other = function (given) {{ given(() => {{ throw {thrown}; }}, () => {{}}); }};
      const promise = Promise.resolve(1);
      Object.defineProperty(promise, 'constructor', {{ value: {{ [Symbol.species]: Other }} }});
      const later = (ticks) => (ticks ? Promise.resolve().then(() => later(ticks - 1)) : promise.then());
      later(20);
      return 'mine';
    }}"""
    assert Driven(text, SUSPENDS).start() == 'R0"mine"'


def test_an_error_in_their_resolve_is_the_runs() -> None:
    text = """async function main() {
      const Other = function (given) { given(() => {
        throw new TypeError('mine'); }, () => {}); };
      const promise = Promise.resolve(1);
      Object.defineProperty(promise, 'constructor', { value: { [Symbol.species]: Other }, configurable: true });
      promise.then();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }"""
    error = thrown(text, suspends=SUSPENDS)
    assert (error.name, error.message) == ("TypeError", "mine")
    assert error.location is not None
    assert error.location.line == 3


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("const p = P.resolve(1).then((n) => n + 1); return [p instanceof P, await p];", [True, 2]),
        ("const p = P.reject(1).catch((n) => n + 1); return [p instanceof P, await p];", [True, 2]),
        ("const p = P.resolve(1).finally(() => 7); return [p instanceof P, await p];", [True, 1]),
        ("return P.resolve(1).then(() => { throw 5; }).catch((n) => n);", 5),
        ("return P.reject(5).then(() => 1).then(() => 2, (n) => n);", 5),
        ("return P.resolve(P.resolve(3)).then();", 3),
        ("return P.all([1, P.resolve(2), Promise.resolve(3)]);", [1, 2, 3]),
        ("return P.race([new P(() => {}), P.resolve(2)]);", 2),
        ("const p = Plain.resolve(1).then(() => 2); return [p instanceof Plain, p instanceof Promise, await p];",
         [False, True, 2]),
        ("const p = P.resolve(1); const before = Object.keys(p); await p.then(); return [before, Object.keys(p)];",
         [[], []]),
        ("const p = Promise.resolve(1); p.mine = 2; return [await p.then((n) => n + 2), p.mine];", [3, 2]),
        ("const p = P.resolve(1); Object.freeze(p); return p.then((n) => n + 1);", 2),
        ("return Object.freeze(Promise.resolve(1)).then((n) => n + 1);", 2),
        ("try { Promise.prototype.then.call({}); } catch (e) { return e.name; }", "TypeError"),
        ("try { Promise.prototype.then.call(new Proxy(P.resolve(1), {})); } catch (e) { return e.name; }", "TypeError"),
        ("const { then } = Promise.prototype; return [then.name, then.length, Object.keys(Promise.prototype)];",
         ["then", 2, []]),
        ("try { new Promise.prototype.then(); } catch (e) { return e.name; }", "TypeError"),
        ("""const seen = []; const p = P.resolve(); const q = Promise.resolve();
            p.then(() => seen.push(1)); q.then(() => seen.push(2)); p.then(() => seen.push(3));
            await null; await null; return seen;""", [1, 2, 3]),
    ],
)  # fmt: skip
def test_they_are_as_the_language_has_them(body: str, expected: object) -> None:
    text = f"""class P extends Promise {{ }}
    class Plain extends Promise {{ static get [Symbol.species]() {{ return Promise; }} }}
    async function main() {{ {body} }}"""
    assert result(text, suspends=SUSPENDS) == expected


def test_the_promises_class_cannot_be_replaced_under_the_runtime() -> None:
    text = """const main = () => {
      for (const [object, key] of [[Promise.prototype, 'constructor'], [Promise, Symbol.species]]) {
        try { Object.defineProperty(object, key, { value: 1, configurable: true }); return 'changed'; } catch { }
      }
      return Promise.resolve('mine');
    }"""
    driven = Driven(text, SUSPENDS)
    assert driven.run() == "mine"
