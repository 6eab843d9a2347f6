"""Room is shared between tenants, whoever has queued how much."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sidecar.queue.fair import Active, AtOnce, Head, Lane, Queue, order_of, picked, shares

TENANTS = "abcd"
QUEUES = st.builds(Queue, st.sampled_from(TENANTS), st.sampled_from(("", "app")), st.sampled_from(("default", "mail")))
MOST = st.none() | st.integers(0, 6)


def lanes(*queues: Queue) -> list[Lane]:
    return [Lane(id=number, queue=queue, script=f"{queue.tenant}{number}") for number, queue in enumerate(queues)]


@given(
    st.integers(0, 20),
    st.lists(QUEUES, max_size=12),
    st.dictionaries(QUEUES, st.integers(0, 8)),
    st.dictionaries(st.sampled_from(TENANTS), MOST),
    st.dictionaries(QUEUES, MOST),
)
def test_no_limit_is_passed_and_no_room_is_left(
    room: int,
    queues: list[Queue],
    running: dict[Queue, int],
    of_tenant: dict[str, int | None],
    of_queue: dict[Queue, int | None],
) -> None:
    active = Active(queues=Counter(running))
    for queue, number in running.items():
        active.tenants[queue.tenant] += number
    given_room = shares(room, lanes(*queues), active, AtOnce(tenant=of_tenant.get, queue=of_queue.get), {})
    by_tenant: Counter[str] = Counter()
    for queue, number in given_room.items():
        assert queue in queues
        assert number > 0
        by_tenant[queue.tenant] += number
        most = of_queue.get(queue)
        assert most is None or active.queues[queue] + number <= most
    assert sum(by_tenant.values()) <= room
    for tenant, number in by_tenant.items():
        most = of_tenant.get(tenant)
        assert most is None or active.tenants[tenant] + number <= most
    if sum(by_tenant.values()) < room:
        for queue in queues:
            own, all_of = of_queue.get(queue), of_tenant.get(queue.tenant)
            is_full = own is not None and active.queues[queue] + given_room.get(queue, 0) >= own
            is_over = all_of is not None and active.tenants[queue.tenant] + by_tenant[queue.tenant] >= all_of
            assert is_full or is_over


@given(st.integers(1, 30), st.lists(st.sampled_from(TENANTS), min_size=1, unique=True))
def test_tenants_without_limits_have_the_same(room: int, tenants: list[str]) -> None:
    given_room = shares(room, lanes(*(Queue(one, "", "q") for one in tenants)), Active(), AtOnce(), {})
    numbers = [given_room.get(Queue(one, "", "q"), 0) for one in tenants]
    assert max(numbers) - min(numbers) <= 1


def test_who_was_served_longest_ago_is_first() -> None:
    own = [Queue("a", "", "q"), Queue("b", "", "q")]
    assert shares(1, lanes(*own), Active(), AtOnce(), {"a": 5, "b": 7}) == {own[0]: 1}
    assert shares(1, lanes(*own), Active(), AtOnce(), {"a": 9, "b": 7}) == {own[1]: 1}
    assert order_of("ab", {}, {"a": 9, "b": 7}) == ["b", "a"]
    assert order_of("ab", {"b": 1}, {"a": 9, "b": 7}) == ["a", "b"]


def test_heads_are_taken_in_the_order_of_their_queue_and_a_script_has_its_limit() -> None:
    heads = [
        Head(1, 1, "4", "x"),
        Head(0, 3, "3", "x"),
        Head(0, 2, "2", "x"),
        Head(0, 2, "1", "y"),
        Head(9, 0, "5", "y"),
    ]
    running: Counter[str] = Counter(x=1)
    assert [head.id for head in picked(3, heads, running, 2)] == ["1", "2", "5"]
    assert running == {"x": 2, "y": 2}
    assert [head.id for head in picked(3, heads, Counter(), None)] == ["1", "2", "3"]
