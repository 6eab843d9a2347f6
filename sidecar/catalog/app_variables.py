"""Variables of an app, which its scripts find in ``process.env``: what they may be called, and their flags."""

import re
from typing import Final

import msgspec

BUILT_IN: Final = frozenset(
    {"APP_ID", "EXEC_HOST", "JOB_ATTEMPT", "JOB_ID", "SCRIPTFORGE_ID", "SCRIPTFORGE_NAME", "SCRIPTFORGE_UUID"}
)
"""Names that say who runs where, and that nobody sets."""
VALUE_BYTES: Final = 65_536
"""Of one variable: a key of a certificate authority fits in, a data set does not."""
VARIABLES: Final = 1_000
"""Of one app: all of them go into each of its scripts' programs."""
MASK: Final = "****"
"""What is shown in place of a protected value; to store it would destroy the secret."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One variable. It has no representation as text that shows its value."""

    name: str
    value: str
    protected: bool = False
    """Nobody reads it back; scripts have it."""
    private: bool = False
    """Scripts alone get it, and no page or template."""
    locked: bool = False
    """It belongs where it is: an export leaves it out, an import leaves it alone."""
    default: bool = False
    """An import sets it only where there is none."""

    def __repr__(self) -> str:
        return f"Variable({self.name!r})"


def parse_variable_name(name: str) -> str:
    """A name that a variable may have. Raises ValueError."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            f"expected 1 to 128 letters, digits and underscores that do not begin with a digit, got {name[:140]!r}"
        )
    if name in BUILT_IN:
        raise ValueError(f"{name} is set by the host")
    return name


def parse_variable_value(value: str) -> str:
    """A value that a variable may have. Raises ValueError, without the value in its message."""
    if "\x00" in value:
        raise ValueError("the value has a NUL, which no environment has")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("the value is no Unicode text: half of a surrogate pair is in it") from None
    if length > VALUE_BYTES:
        raise ValueError(f"the value is longer than {VALUE_BYTES:_} bytes")
    if value == MASK:
        raise ValueError(f"{MASK} is shown in place of a protected value, and is none itself")
    return value
