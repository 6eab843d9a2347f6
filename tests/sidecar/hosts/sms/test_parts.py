"""How many parts a short message has, at each border."""

import pytest

from sidecar.hosts.sms.parts import parts_of


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        # 153 is odd: each part has 76 of them, and the one that would be cut is in the next.
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("àÄß\n" * 40, 1),
        ("ç", 1),
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("ç" * 134, 2),
        ("ç" * 135, 3),
        ("\U0001f600" * 35, 1),
        ("\U0001f600" * 36, 2),
        # 67 units are 33 of these.
        ("\U0001f600" * 66, 2),
        ("\U0001f600" * 67, 3),
    ],
)
def test_a_text_has_so_many_parts(text: str, parts: int) -> None:
    assert parts_of(text) == parts
