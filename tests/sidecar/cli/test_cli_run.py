"""`scriptforge run`: what it prints and its exit status, with a real confined worker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.outcome import LogLine
from sidecar.cli import main
from sidecar.cli.decision_text import EXIT_STATUS, console_text, decision_text, failure_text, time_text
from sidecar.cli.terminal import Paint, Painter
from sidecar.runs.failure import Failure
from sidecar.runs.outcomes import OutcomeName
from sipio.routing import Action, Decision, pack_routing
from tests.sidecar.cli.run_desk import CALL, run, without_time

COMMAND = Path(sys.executable).with_name("scriptforge")


def test_a_decision_and_its_diff(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "vars.toml").write_text("[number]\nown = 3\n")
    text = (
        "function main(data) {\n  data.routing.cli = data.number.own;\n  data.egress_routing.reverse();\n"
        "  console.log('was', data.routing.dest_number, process.env.SCRIPTFORGE_NAME);\n}\n"
    )
    assert run(desk, text, "--vars", "vars.toml") == 0
    assert without_time(capsys.readouterr().out) == (
        "ROUTE to b, then a  (a.js returned)\n"
        "  ~ cli  1 -> 3\n"
        "  ~ 1  b  (was 2)\n"
        "       ~ cli  1 -> 3\n"
        "  ~ 2  a  (was 1)\n"
        "       ~ cli  1 -> 3\n"
        "console\n"
        "  log  was 2 a.js"
    )


def test_nothing_changed(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main(data) { return data }") == 0
    assert without_time(capsys.readouterr().out) == "ROUTE to a, then b  (a.js returned)\n  nothing changed"


def test_no_destination_is_left(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main(data) { data.egress_routing = [] }") == 0
    assert capsys.readouterr().out.startswith("ROUTE to nowhere: no destination is left  (a.js returned)\n  - 1  a")


def test_a_sip_error(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main() { throw new Error('404 Not Found') }") == 3
    assert without_time(capsys.readouterr().out) == "REJECT 404 Not Found  (a.js refused the call)"


def test_a_script_error_shows_its_line(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main(data) {\n\tlet x;\n\treturn x.y;\n}\n") == 4
    assert without_time(capsys.readouterr().out) == (
        "a.js:3:9: error: TypeError: cannot read property 'y' of undefined: x is undefined\n"
        "    \treturn x.y;\n"
        "    \t       ^\n"
        "ROUTE to a, then b  (a.js failed)\n"
        "  nothing changed"
    )


def test_what_is_no_number_is_named_at_the_line_that_has_it(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main(data) {\n  data.headers = [{ key: 'X-N', value: 1 / 'x' }];\n}") == 4
    assert "a.js:2:26: error: the header X-N is NaN, which is no number" in capsys.readouterr().out
    assert (
        run(desk, "function main(data) {\n  data.egress_routing[0].headers = [{ key: 'X-N', value: 1 / 0 }];\n}") == 4
    )
    assert "a.js:2:44: error: the header X-N is Infinity, which is no number" in capsys.readouterr().out
    assert run(desk, "function main(data) {\n  data.routing.cli = Number('x');\n}") == 4
    assert "a.js:2:3: error: cli is NaN, which is no number" in capsys.readouterr().out
    assert run(desk, "function main(data) {\n  data.egress_routing[0].gw.a.cli = Number('x');\n}") == 4
    assert "a.js:2:3: error: the cli of gateway a is NaN, which is no number" in capsys.readouterr().out
    assert run(desk, "function main(data) {\n  data.headers = [{ key: 'X-N', value: 10n }];\n}") == 4
    assert "a.js:2:26: error: the header X-N is 10n, a BigInt: make it text or a number" in capsys.readouterr().out
    for wrong in ("null", "undefined", "() => '1'"):
        assert run(desk, f"function main(data) {{\n  data.routing.cli = {wrong};\n}}") == 4
        assert "a.js:2:3: error: cli is" in capsys.readouterr().out
    assert run(desk, "function main(data) {\n  data.egress_routing[0].gw.a.cli = null;\n}") == 4
    assert "a.js:2:3: error: cli is null, which is no number" in capsys.readouterr().out
    for wrong, said in (("undefined", "undefined"), ("() => '1'", "a function")):
        assert run(desk, f"function main(data) {{\n  data.egress_routing[0].gw.a.cli = {wrong};\n}}") == 4
        told = f"a.js:2:3: error: the cli of gateway a is {said}, which is no number"
        assert told in capsys.readouterr().out


def test_a_key_that_nothing_reads_is_warned_of(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main(data) { data.header = [{ key: 'X-A', value: 1 }]; }") == 0
    assert "warn  data.header has no effect; did you mean data.headers?" in capsys.readouterr().out
    assert run(desk, "function main(data) { return { routing: data.routing, removed: 1 }; }") == 0
    assert "warn  data.removed has no effect" in capsys.readouterr().out
    assert run(desk, "function main(data) { return { ...data }; }") == 0
    assert "warn" not in capsys.readouterr().out


def test_a_forbidden_header_is_a_script_error(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main(data) { data.headers.push({key: 'Via', value: 'x'}) }") == 4
    assert "a.js:1:47: error: the header Via is the switch's own" in capsys.readouterr().out


def test_the_configurations_actions_hold(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "sidecar.toml").write_text('[decisions]\nerror_action = "500 Script Error"\ntimeout_action = "continue"\n')
    assert run(desk, "function main() { throw 1 }") == 4
    assert "REJECT 500 Script Error  (a.js failed)" in capsys.readouterr().out
    assert run(desk, "function main() { for (;;); }", "--timeout-ms", "30") == 5
    assert "ROUTE to a, then b  (a.js timed out)" in capsys.readouterr().out


def test_a_timeout(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main() { for (;;); }", "--timeout-ms", "30") == 5
    lines = without_time(capsys.readouterr().out).splitlines()
    assert "REJECT 503 Script Timeout  (a.js timed out)" in lines


def test_out_of_memory(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "sidecar.toml").write_text("[sandbox]\nmemory_bytes = 5_000_000\n")
    assert run(desk, "function main() { const a = []; for (;;) a.push(new Array(1e5).fill(1)) }") == 6
    assert "a.js ran out of memory" in capsys.readouterr().out


def test_an_app(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "async function main(data) { return Promise.reject([603, 'No']) }"
    assert run(desk, text, "--kind", "app") == 3
    assert "REJECT 603 No" in capsys.readouterr().out


def test_what_an_app_does_not_await_is_told(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "async function save() {\n  await null;\n  throw new Error('not saved');\n}\n"
        "async function main(data) {\n  void save();\n  save().catch(() => 1);\n"
        "  setTimeout(() => { data.headers = [] }, 10);\n}"
    )
    assert run(desk, text) == 0
    output = capsys.readouterr().out
    assert "warn  nobody awaited a promise that was rejected: a.js:3:" in output
    assert output.count("not saved") == 1
    assert "warn  main has ended: 1 timer that it did not await will not come" in output


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("throw new Error('own')", "Error: not saved"),
        ("await null; data.none.more", "Error: not saved"),
        ("throw [404]", "Error: not saved"),
        ("try { await Promise.reject(1) } catch { throw new Error('own') }", "Error: not saved"),
    ],
)
def test_what_an_app_did_not_await_is_told_where_it_ends_in_an_error_too(
    desk: Path, capsys: pytest.CaptureFixture[str], rest: str, told: str
) -> None:
    text = f"async function main(data) {{\n  Promise.reject(new Error('not saved'));\n  {rest};\n}}"
    assert run(desk, text, "--kind", "app") in (3, 4)
    output = capsys.readouterr().out
    assert "warn  nobody awaited a promise that was rejected: a.js:2:" in output
    assert told in output
    assert output.count("nobody awaited") == 1


def test_a_rejection_that_cannot_be_put_in_words_changes_no_outcome(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "async function main(data) {{ Promise.reject({{ toString() {{ for (;;); }} }}); {} }}"
    assert run(desk, text.format("return data;"), "--kind", "app") == 0
    assert run(desk, text.format("throw new Error('own');"), "--kind", "app") == 4
    assert "error: Error: own" in capsys.readouterr().out


def test_an_app_is_taken_for_one(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "async function main(data) { await null; data.routing.cli = '2' }") == 0
    output = capsys.readouterr()
    assert "~ cli  1 -> 2" in output.out
    assert output.err == "scriptforge run: a.js: taken for an App (async, line 1); --kind decides\n"


def test_a_script_that_drives_a_call_is_told_where_it_is_tried(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "async function main(data, ctx) {\n  await ctx.answer();\n}"
    hint = (
        "scriptforge run: a.js: `main` takes a call to drive, and is given none here: try it with `scriptforge call`\n"
    )
    assert run(desk, text) == 4
    assert hint in capsys.readouterr().err
    run(desk, text, "--kind", "app")
    assert capsys.readouterr().err.startswith(hint)
    run(desk, "async function main(data) { return data; }")
    assert "scriptforge call" not in capsys.readouterr().err


def test_what_is_expected_stands_in_what_is_printed_one_after_the_other(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing = "function main() { console.log('no'); throw new Error('603 No') }"
    assert run(desk, refusing, "--expect", "REJECT 603 No", "--expect", "log  no") == 0
    capsys.readouterr()
    assert run(desk, refusing, "--expect", "log  no", "--expect", "REJECT 603 No") == 10
    error = capsys.readouterr().err
    assert error.startswith("--expect: 'REJECT 603 No' was not found after 'log  no' (only before it, in line 1)\n")
    assert "what came of it:\n" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "call.json"], "needs a script, or --catalog"),
        (["a.js", "--catalog", ".", "--data", "call.json"], "and not both"),
        (["a.js", "--customer", "x", "--data", "call.json"], "--customer says which script of a catalog is run"),
        (["--catalog", ".", "--timeout-ms", "5", "--data", "call.json"], "--timeout-ms is the assignment's own"),
    ],
)
def test_options_that_contradict_each_other(
    desk: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    assert said in capsys.readouterr().err


def test_vars_is_a_function_and_an_object(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "vars.toml").write_text("own = '7'\n")
    text = (
        "function main() { vars.routing.cli = vars.own;"
        " vars.headers = [{ key: 'X', value: Object.keys(vars()).length }]; return vars }"
    )
    assert run(desk, text, "--vars", "vars.toml") == 0
    output = capsys.readouterr().out
    assert "~ cli  1 -> 7" in output
    assert "+ X: 5" in output
    assert run(desk, "const { cli } = vars.routing;\nvars.routing.cli = `${cli}2`;\nexit(vars);") == 0
    assert "~ cli  1 -> 12" in capsys.readouterr().out
    assert run(desk, "vars.routing.cli = '3'") == 0
    assert "~ cli  1 -> 3" in capsys.readouterr().out


def test_what_the_daemon_would_not_load_is_not_run(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main(data) {\n  require('x');\n}\n", "--kind", "script") == 4
    assert capsys.readouterr().err == (
        "a.js:2:3: error: `require` in a Script, which has no modules\n      require('x');\n      ^\n"
    )


def test_a_call_to_a_did(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "call.json").write_text('{"direction":"origination","did":"49","routing":{}}')
    assert run(desk, "function main(data) {}") == 0
    assert "ROUTE without destinations  (a.js returned)" in capsys.readouterr().out


def test_the_sip_request_of_a_call(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "call.json").write_text(
        '{"routing":{},"sip":{"source":"192.0.2.1:5060","headers":[["p-asserted-identity","<tel:+44>"]]}}'
    )
    text = "function main({ sip }) { console.log(sip.source, sip.method, sip.headers['P-Asserted-Identity']); }\n"
    assert run(desk, text) == 0
    assert "192.0.2.1:5060 INVITE <tel:+44>" in capsys.readouterr().out


def test_numbers_are_read_as_a_switch_s_are(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "call.json").write_text('{"routing":{"cli":"+44-20","dest_number":"+4930;npdi;rn=+49111"}}')
    text = "function main({ routing: r }) { console.log(r.cli, r.dest_number, r.dest_number_parameters.rn); }"
    assert run(desk, text) == 0
    assert "+4420 +4930 +49111" in capsys.readouterr().out


def test_json(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(desk, "function main() { console.warn('w'); throw 'x' }", "--json") == 4
    told = json.loads(capsys.readouterr().out)
    assert told["exit_status"] == 4
    assert told["decision"]["outcome"] == "script_error"
    assert told["console"] == [{"script": "a", "level": "warn", "text": "w"}]
    assert told["failure"]["message"] == "Thrown: x"


def test_unusable_files(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "call.json").write_text('{"routing":\n {"cli" 1}}')
    assert run(desk, "function main() {}") == 2
    assert capsys.readouterr().err == (
        "call.json:2:9: error: is not JSON: expecting ':' delimiter\n     {\"cli\" 1}}\n            ^\n"
    )
    assert main(["run", "none.js", "--data", "call.json"]) == 2
    assert capsys.readouterr().err == "none.js: error: cannot be read: No such file or directory\n"
    (desk / "call.json").write_text(CALL)
    (desk / "vars.toml").write_text("a = 1\na = 2\n")
    assert run(desk, "function main() {}", "--vars", "vars.toml") == 2
    assert capsys.readouterr().err.startswith("vars.toml:2:")


def test_a_routing_that_no_script_can_be_given(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "call.json").write_text('{"routing":{"headers":[{"key":"Via","value":"1"}]}}')
    assert run(desk, "function main() {}") == 2
    assert capsys.readouterr().err.startswith("call.json: error: the header Via")


@pytest.mark.parametrize("thrown", ["\\ud800", "\\u009b2J\\u202e", "\\u0000"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_whatever_a_script_throws_is_printed(
    desk: Path, capsys: pytest.CaptureFixture[str], thrown: str, options: tuple[str, ...]
) -> None:
    assert run(desk, f"function main() {{ console.log('{thrown}'); throw new Error('{thrown}') }}", *options) == 4
    out = capsys.readouterr().out
    out.encode()
    assert not {"\x9b", "\u202e", "\0"} & set(out)
    if options:
        assert json.loads(out)["failure"]["message"].startswith("Error: ")


def test_a_file_whose_name_is_no_text_is_run(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"odd\xff.js")
    Path(name).write_text("function main() {}")
    assert main(["run", name, "--data", "call.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decision"]["script"]["name"] == "odd\\udcff.js"


def test_a_configuration_that_cannot_be_used(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "sidecar.toml").write_text("[sandbox]\nworker = 1\n")
    assert run(desk, "function main() {}") == 1
    assert "sidecar.toml:2:1" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--timeout-ms", "0"], ["--timeout-ms", "x"], ["--kind", "teapot"], ["--what"]])
def test_wrong_usage(options: list[str], desk: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        run(desk, "", *options)
    assert caught.value.code == 2


def test_the_installed_command(desk: Path) -> None:
    (desk / "a.js").write_text("function main(data) { data.routing.cli = '\\u001b[31m'.length }")
    done = subprocess.run(
        [COMMAND, "run", "a.js", "--data", "-"],
        input=CALL.encode(),
        capture_output=True,
        timeout=30,
        check=False,
        env={**os.environ, "SCRIPTFORGE_DECISIONS__TIMEOUT_MS": "1000"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"ROUTE to a, then b  (a.js returned)\n  ~ cli  1 -> 5\n")
    assert b"\x1b" not in done.stdout


def test_every_outcome_has_its_own_status() -> None:
    assert len(set(EXIT_STATUS.values()) - {0}) == len(EXIT_STATUS) - 2
    assert not {1, 2} & set(EXIT_STATUS.values())


def test_a_terminal_is_told_nothing_that_it_would_obey() -> None:
    plain = Painter()
    decision = Decision(
        action=Action.REJECT, code=603, reason="No\x1b[2J", routing=pack_routing({}), outcome="sip_error"
    )
    assert decision_text(pack_routing({}), decision, plain) == "REJECT 603 No\\x1b[2J  (a script refused the call)\n"
    routed = Decision(
        action=Action.ROUTE, routing=pack_routing({"cli": "\x07", "egress_routing": [{"gw": {"\x1b": 1}}]})
    )
    assert "\x07" not in decision_text(pack_routing({}), routed, plain)
    assert "\x1b" not in decision_text(pack_routing({}), routed, plain)
    assert console_text([("a", LogLine("log", "1\x1b]0;x\n2"))], plain) == "  log  1\\x1b]0;x\n       2\n"
    assert failure_text(Failure(OutcomeName.CRASHED, "\x1b"), {}) == "script: error: \\x1b\n"


def test_time_by_stage() -> None:
    assert time_text({"total": 1500, "script": 1000, "decide": 500}, Painter()) == (
        "time 1.50 ms: decide 0.50, script 1.00\n"
    )
    assert time_text({}, Painter()) == ""


class Terminal:
    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "environment", "painted"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colour(is_terminal: bool, environment: dict[str, str], painted: bool) -> None:
    paint = Painter.of(Terminal(is_terminal), environment)  # type: ignore[arg-type]
    assert paint("x", Paint.BAD) == ("\x1b[31mx\x1b[0m" if painted else "x")
    assert paint("x", None) == "x"
