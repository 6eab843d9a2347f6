"""Explanations take a share of the daemon's time and no more."""

from sandbox.outcome import Location, Threw
from sidecar.runs.explanations import BURST_SECONDS, KEPT, SUBJECT_CHARACTERS, TREES, Explanations

TEXT = "function main(data) {\n  return data.a.b;\n}"


class SlowClock:
    """Each look at it takes 10 ms, and an explanation takes one look."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


def error(column: int = 10) -> Threw:
    return Threw("a.js", "TypeError", "cannot read property 'b' of undefined", Location(2, column))


def test_an_error_is_told_in_more_words() -> None:
    found = Explanations().of(error(), TEXT)
    assert found is not None
    assert found.message == "cannot read property 'b' of undefined: data.a is undefined"


def test_past_its_share_of_time_nothing_is_explained_until_there_is_some_again() -> None:
    clock = SlowClock()
    explanations = Explanations(clock)
    explained = 0
    for number in range(100):
        explained += explanations.of(error(), f"{TEXT} // {number}") is not None
    assert 1 <= explained <= 2 * BURST_SECONDS / 0.01
    clock.now += 10
    assert explanations.of(error(), f"{TEXT} // another") is not None


def test_the_same_error_takes_no_time_again() -> None:
    clock = SlowClock()
    explanations = Explanations(clock)
    first = explanations.of(error(), TEXT)
    looked = clock.now
    assert explanations.of(error(), TEXT) == first
    assert clock.now == looked


def test_what_is_kept_is_bounded() -> None:
    clock = SlowClock()
    explanations = Explanations(clock)
    for number in range(2 * KEPT):
        clock.now += 10
        explanations.of(error(column=number + 1), f"{TEXT} // {number % 40}")
    assert len(explanations._kept) == KEPT
    assert len(explanations._trees) == TREES


def test_an_error_without_a_place_is_told_as_it_is() -> None:
    assert Explanations().of(Threw("a.js", "TypeError", "not a function", None), TEXT) is None


def test_a_name_as_long_as_no_header_s_is_neither_looked_for_nor_kept() -> None:
    for length, found in ((SUBJECT_CHARACTERS, True), (SUBJECT_CHARACTERS + 1, False)):
        name = "x" * length
        text = f"function main(data) {{\n  return {{ key: '{name}' }};\n}}"
        assert (Explanations().place_of(name, text) is not None) is found
