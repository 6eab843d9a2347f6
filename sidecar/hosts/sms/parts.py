"""How many parts a short message has (3GPP TS 23.038 and 23.040)."""

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet of 7 bits."""
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Its extension, of two characters each."""
_SEPTETS, _SEPTETS_OF_A_PART = 160, 153
_UNITS, _UNITS_OF_A_PART = 70, 67


def parts_of(text: str) -> int:
    """Parts that a text goes in; a character of two is never cut by them. An empty text is one part."""
    if all(one in _BASIC or one in _EXTENDED for one in text):
        return _parts([2 if one in _EXTENDED else 1 for one in text], _SEPTETS, _SEPTETS_OF_A_PART)
    return _parts([2 if ord(one) > 0xFFFF else 1 for one in text], _UNITS, _UNITS_OF_A_PART)


def _parts(widths: list[int], alone: int, of_a_part: int) -> int:
    if sum(widths) <= alone:
        return 1
    parts, room = 1, of_a_part
    for width in widths:
        if width > room:
            parts, room = parts + 1, of_a_part
        room -= width
    return parts
