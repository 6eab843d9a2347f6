"""A whole number of an option, within its bounds."""

import argparse
from collections.abc import Callable


def whole_number(of: str, most: int) -> Callable[[str], int]:
    """What reads a number from 1 to ``most`` of what ``of`` names, such as ``days``, as argparse's ``type``: anything
    else is wrong usage, with words that say what is expected."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= most:
            raise argparse.ArgumentTypeError(f"is a number of {of} from 1 to {most}")
        return int(text)

    return read
