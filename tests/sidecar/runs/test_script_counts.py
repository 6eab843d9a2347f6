"""Each script is counted by its name, as many as there is room for."""

from sidecar.runs.script_counts import OTHER, ScriptCounts


def runs(counts: ScriptCounts) -> dict[str, int]:
    return {script: count.runs for script, count in counts.snapshot().items()}


def test_past_the_cap_scripts_are_counted_together() -> None:
    counts = ScriptCounts(2)
    for script in ("a", "b", "c", "d", "a"):
        counts.of(script).runs += 1
    assert runs(counts) == {"a": 2, "b": 1, OTHER: 2}


def test_a_script_called_other_is_counted_with_them() -> None:
    counts = ScriptCounts(1)
    counts.of(OTHER).runs += 1
    assert runs(counts) == {OTHER: 1}


def test_what_is_expected_is_there_with_0_where_there_is_room_for_all_of_it() -> None:
    counts = ScriptCounts(3)
    counts.of("gone").runs += 1
    counts.expect(["b", "a"])
    assert runs(counts) == {"gone": 1, "a": 0, "b": 0, OTHER: 0}
    counts.expect(["a", "b", "c"])
    assert runs(counts) == {"gone": 1, "a": 0, "b": 0, OTHER: 0}
    counts.of("c").runs += 1
    assert runs(counts)[OTHER] == 1
