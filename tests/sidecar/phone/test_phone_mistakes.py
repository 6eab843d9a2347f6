"""What ``scriptforge call`` says of mistakes in a script and of what is typed wrongly."""

import re
from pathlib import Path

import pytest

from sidecar.cli import main
from tests.sidecar.phone.phone_desk import Phone


def test_errors_come_with_their_place(phone: Phone) -> None:
    assert phone.call("await ctx.answer();\n  setTimeout(() => data.nothing.at(1), 5000); await ctx.echo();", "") == 1
    assert "script: script error" in phone.out
    assert "(author.js:3:" in phone.out
    assert phone.call("await ctx.answer(;", "") == 1
    assert "author.js:3:1: error: `}` does not close the `(` of line 2" in phone.err


def test_a_refusal_in_its_own_words(phone: Phone) -> None:
    assert (
        phone.call('ctx.header("X-Why", "closed"); throw new Error("604 Closed");', "", "--expect", "604 Closed") == 0
    )
    assert "never answered" in phone.out
    assert "SIP 604" in phone.out


def test_missing_sounds_fail_where_there_is_a_directory_of_sounds(phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "snd/user").mkdir(parents=True)
    (tmp_path / "snd/user/a.wav").write_bytes(b"RIFF")
    body = 'await ctx.play("user/a.wav"); try { await ctx.play("user/b.wav"); } catch (e) { ctx.log(e.message); }'
    assert phone.call(body, "", "--sounds", str(tmp_path / "snd")) == 0
    assert "logs there is no user/b.wav" in phone.script
    assert phone.call(body, "") == 0
    assert "plays user/b.wav" in phone.script


def test_a_missing_await_is_told_with_its_place(phone: Phone) -> None:
    phone.call('ctx.answer();\n  ctx.tts("hello");', "", "--expect", "hello")
    assert re.search(r"warning: .*ctx\.answer.*\(author\.js:2:\d+\)", phone.out)


def test_a_rejection_that_nobody_awaited_is_told_with_its_place(phone: Phone) -> None:
    phone.call("await ctx.answer();\n['a'].forEach(async (one) => {\n  await ctx.tts(one.no.way);\n});", "1")
    (told,) = [line for line in phone.out.splitlines() if "nobody awaited" in line]
    assert "author.js:4:17: TypeError: cannot read property 'way' of undefined" in told


def test_the_end_of_the_call_and_a_failed_action_are_no_rejections_that_were_missed(phone: Phone) -> None:
    phone.call("await ctx.answer();\nctx.tts();\nctx.play('ivr/a.wav');\nctx.waitFor('1', '2', 9);", "hangup")
    assert "nobody awaited" not in phone.out
    assert "ctx.tts: text is needed" in phone.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keys", "1,dance"], "'dance' is neither digits"),
        (["--keys", "1", "--vars", "nowhere.toml"], "nowhere.toml"),
        (["--expect", "x"], "--keys is needed"),
        ([], "--keys is needed"),
    ],
)
def test_wrong_usage(phone: Phone, arguments: list[str], message: str) -> None:
    assert main(["call", str(phone.write("")), *arguments]) == 2
    assert message in phone.capsys.readouterr().err
