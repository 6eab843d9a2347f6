"""How the work of a reader grows with its text: what is four times as long is to be some four times the work.

Work is processor time of this thread. What a busy machine adds to it comes and goes, so that short and long are
measured in turn, each for its least, until they show a growth that is linear; what grows with the square is 16 times
the work on every machine, however often it is measured.
"""

import time
from collections.abc import Callable

SHORT, LONG = 15_000, 60_000
"""Characters: a datagram holds 64 KB."""
UNNOTICED_SECONDS = 0.004
"""Less than this for the long one is nothing that a loop is kept by, and too short to be measured."""
GROWTH = 8
"""Between the 4 of what is linear and the 16 of what is a square."""
ROUNDS = 40


def grows_in_its_length(read: Callable[[int], object]) -> bool:
    """Whether reading LONG characters is less than GROWTH times the work of reading SHORT ones.

    `read` is given the length and does the whole work; what it refuses it has to catch.
    """
    short = long = float("inf")
    for _ in range(ROUNDS):
        long = min(long, _work(read, LONG))
        if long <= UNNOTICED_SECONDS:
            return True
        short = min(short, _work(read, SHORT))
        if long < GROWTH * short:
            return True
    return False


def _work(read: Callable[[int], object], length: int) -> float:
    began = time.thread_time()
    read(length)
    return time.thread_time() - began
