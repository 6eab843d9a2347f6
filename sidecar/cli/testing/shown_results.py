"""Results of tests as a person reads them, as JSON, and as JUnit's XML, which continuous integration reads."""

import difflib
import re
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sidecar.cli.terminal import Paint, Painter
from sidecar.cli.testing.results import FileResult, Shortcoming, TestOutcome, TestResult
from sidecar.problem import Problem, Severity
from sidecar.report import report
from sidecar.text import escaped, escaped_lines, safe_json

_MARKS: Final = {
    TestOutcome.PASSED: ("ok  ", Paint.GOOD),
    TestOutcome.FAILED: ("FAIL", Paint.BAD),
    TestOutcome.SKIPPED: ("skip", Paint.FAINT),
    TestOutcome.TODO: ("todo", Paint.CHANGED),
}
DIFFERENCE_LINES: Final = 2_000
"""Values of more lines are shown one after the other: to compare them takes the square of their lines."""
SLOW_SECONDS: Final = 0.5
"""A test that takes longer is told how long."""
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 2.2 has no place for, escaped or not."""


def file_text(file: FileResult, paint: Painter, *, chosen_only: bool = False) -> str:
    """A file's tests, a line each, and what is wrong with those that failed.

    ``chosen_only`` is for whoever has chosen some by name: the others are not listed, nor is a file that has none.
    """
    listed = [test for test in file.tests if not (chosen_only and test.outcome is TestOutcome.SKIPPED)]
    if chosen_only and not listed and not file.shortcomings:
        return ""
    parts = [paint(escaped(file.file), Paint.BOLD) + "\n"]
    parts += [_line(test, paint) for test in listed]
    parts += [_wrong(file, wrong, paint) for wrong in file.shortcomings]
    for test in file.tests:
        if test.outcome is TestOutcome.FAILED:
            parts.append("\n" + paint(f"FAIL  {_name(test)}", Paint.BAD) + "\n")
            parts += [_wrong(file, wrong, paint) for wrong in test.shortcomings]
            parts += [_indented(escaped_lines(note.rstrip("\n")), "    ") for note in test.notes]
    for level, text in file.console:
        parts.append(_indented(escaped_lines(text), f"  {paint(level.ljust(5), Paint.FAINT)}  "))
    return "".join(parts)


def summary_text(files: Sequence[FileResult], paint: Painter) -> str:
    """Such as ``2 failed, 9 passed, 1 skipped in 3 files, 0.84 s``."""
    counts = {outcome: sum(file.count(outcome) for file in files) for outcome in TestOutcome}
    broken = sum(bool(file.shortcomings) for file in files)
    parts = [f"{counts[outcome]} {outcome}" for outcome in TestOutcome if counts[outcome]]
    if broken:
        parts.append(f"{broken} {'file is' if broken == 1 else 'files are'} wrong")
    good = not broken and not counts[TestOutcome.FAILED]
    number = f"{len(files)} {'file' if len(files) == 1 else 'files'}"
    total = sum(file.seconds for file in files)
    return (
        paint(f"{', '.join(parts) or 'no tests'} in {number}, {total:.2f} s", Paint.GOOD if good else Paint.BAD) + "\n"
    )


def results_json(files: Sequence[FileResult]) -> str:
    """One JSON object for programs."""
    listed = [
        {
            "file": file.file,
            "passed": file.passed,
            "seconds": round(file.seconds, 6),
            "shortcomings": file.shortcomings,
            "tests": file.tests,
            "console": [{"level": level, "text": text} for level, text in file.console],
        }
        for file in files
    ]
    counts = {outcome.value: sum(file.count(outcome) for file in files) for outcome in TestOutcome}
    return safe_json({**counts, "files": listed}).decode()


def junit_xml(files: Sequence[FileResult]) -> bytes:
    """A ``testsuites`` of one ``testsuite`` for each file."""
    top = Element("testsuites", name="scriptforge test")
    for file in files:
        skipped = file.count(TestOutcome.SKIPPED) + file.count(TestOutcome.TODO)
        suite = SubElement(
            top,
            "testsuite",
            name=_xml(file.file),
            tests=str(len(file.tests)),
            failures=str(file.count(TestOutcome.FAILED)),
            errors=str(len(file.shortcomings)),
            skipped=str(skipped),
            time=f"{file.seconds:.3f}",
        )
        for test in file.tests:
            _case(suite, file, test)
        for wrong in file.shortcomings:
            case = SubElement(suite, "testcase", classname=_xml(file.file), name=_xml(file.file), time="0")
            error = SubElement(case, "error", message=_xml(wrong.message))
            error.text = _xml(_wrong(file, wrong, Painter()))
        if file.console:
            SubElement(suite, "system-out").text = _xml("".join(f"{text}\n" for _, text in file.console))
    indent(top)
    return bytes(tostring(top, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: Element, file: FileResult, test: TestResult) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_xml(".".join((file.file, *test.names[:-1]))),
        name=_xml(test.names[-1]),
        file=_xml(file.file),
        line=str(test.line),
        time=f"{test.seconds:.3f}",
    )
    if test.outcome is TestOutcome.FAILED:
        failure = SubElement(case, "failure", message=_xml("; ".join(wrong.message for wrong in test.shortcomings)))
        failure.text = _xml(
            "".join(_wrong(file, wrong, Painter()) for wrong in test.shortcomings) + "".join(test.notes)
        )
    elif test.outcome is not TestOutcome.PASSED:
        SubElement(case, "skipped", message=test.outcome.value)


def _line(test: TestResult, paint: Painter) -> str:
    mark, colour = _MARKS[test.outcome]
    took = paint(f"  {test.seconds * 1000:.0f} ms", Paint.FAINT) if test.seconds >= SLOW_SECONDS else ""
    return f"  {paint(mark, colour)}  {_name(test)}{took}\n"


def _name(test: TestResult) -> str:
    return escaped(" > ".join(test.names))


def _wrong(file: FileResult, wrong: Shortcoming, paint: Painter) -> str:
    first, *rest = wrong.message.split("\n")
    problem = Problem(wrong.file or file.file, wrong.line, wrong.column, Severity.ERROR, first)
    shown = report([problem], {file.file: file.text})
    if rest:
        shown += _indented(escaped_lines("\n".join(rest)), "    ")
    if wrong.expected is not None and wrong.received is not None:
        shown += _difference(wrong.expected, wrong.received, paint)
    return shown


def _difference(expected: str, received: str, paint: Painter) -> str:
    wanted, got = expected.split("\n"), received.split("\n")
    if len(wanted) == 1 or len(got) == 1 or len(wanted) + len(got) > DIFFERENCE_LINES:
        return _painted(paint, Paint.GOOD, "expected", expected) + _painted(paint, Paint.BAD, "received", received)
    lines = ["    " + paint("- expected", Paint.GOOD) + "  " + paint("+ received", Paint.BAD)]
    compared = difflib.SequenceMatcher(None, wanted, got, autojunk=False)
    for what, first, last, its_first, its_last in compared.get_opcodes():
        if what == "equal":
            lines += [f"      {escaped(line)}" for line in _shortened(wanted[first:last])]
        else:
            lines += ["    " + paint(f"- {escaped(line)}", Paint.GOOD) for line in wanted[first:last]]
            lines += ["    " + paint(f"+ {escaped(line)}", Paint.BAD) for line in got[its_first:its_last]]
    return "\n".join(lines) + "\n"


def _shortened(lines: Sequence[str]) -> Sequence[str]:
    """What is the same on both sides, in its middle cut."""
    if len(lines) <= 8:
        return lines
    return [*lines[:4], f"... {len(lines) - 8} lines", *lines[-4:]]


def _painted(paint: Painter, colour: Paint, word: str, text: str) -> str:
    first, *rest = text.split("\n")
    shown = "\n".join([f"    {word}: {escaped(first)}", *(f"      {escaped(line)}" for line in rest)])
    return "\n".join(paint(line, colour) for line in shown.split("\n")) + "\n"


def _indented(text: str, before: str) -> str:
    return "".join(f"{before}{line}\n" for line in text.split("\n"))


def _xml(text: str) -> str:
    return _NO_XML.sub("�", text)
