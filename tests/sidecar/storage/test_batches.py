"""What is asked at the same time is done together, and nothing that is asked is forgotten."""

import asyncio
from collections.abc import Sequence

from sidecar.storage.batches import AT_ONCE, Batches


class Doubling:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def __call__(self, asked: Sequence[int]) -> list[int | Exception]:
        self.sizes.append(len(asked))
        await asyncio.sleep(0)
        return [2 * one if one >= 0 else ValueError(str(one)) for one in asked]


async def test_who_asks_again_as_soon_as_it_is_answered_is_answered_again() -> None:
    batches: Batches[int, int] = Batches(Doubling())

    async def ask() -> None:
        for number in range(50):
            assert await batches.do(number) == 2 * number

    await asyncio.wait_for(asyncio.gather(ask(), ask()), 10)


async def test_what_comes_together_is_one_transaction_as_long_as_it_may_be() -> None:
    doubling = Doubling()
    batches: Batches[int, int] = Batches(doubling)
    answers = await asyncio.gather(*map(batches.do, range(AT_ONCE + 4)))
    assert answers == [2 * number for number in range(AT_ONCE + 4)]
    assert doubling.sizes == [AT_ONCE, 4]


async def test_an_error_is_raised_where_it_was_asked() -> None:
    batches: Batches[int, int] = Batches(Doubling())
    one, two = await asyncio.gather(batches.do(-1), batches.do(2), return_exceptions=True)
    assert isinstance(one, ValueError)
    assert two == 4


async def test_a_transaction_that_fails_is_everybodys_and_the_next_one_is_another() -> None:
    fails = [True, False]

    async def carry_out(asked: Sequence[int]) -> list[int | Exception]:
        if fails.pop(0):
            raise OSError("gone")
        return list(asked)

    batches: Batches[int, int] = Batches(carry_out)
    assert [type(one) for one in await asyncio.gather(batches.do(1), batches.do(2), return_exceptions=True)] == [
        OSError
    ] * 2
    assert await batches.do(3) == 3
    await batches.finish()
