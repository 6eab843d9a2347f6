"""A clock that stands still until a test moves it."""


class MovedClock:
    """Seconds since 1970, of some time in 2027."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now
