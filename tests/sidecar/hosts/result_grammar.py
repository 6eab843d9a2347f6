"""Routings and results as switches and scripts write them, and nearly so; in bytes as no good encoder writes them."""

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from sidecar.hosts import routing as routing_host
from sipio.routing import pack_routing


class Pairs(list[tuple[Any, Any]]):
    """A map whose keys may be of any sort and come twice."""


class Grammar:
    """Random trees, and bytes of them."""

    def __init__(self, source: random.Random, odd: float = 0.02) -> None:
        """``odd``: how often something is other than it should be."""
        self._random = source
        self._odd = odd

    # ---- trees ----

    def odd(self) -> bool:
        return self._random.random() < self._odd

    def one_of(self, choices: Sequence[Any]) -> Any:
        return choices[int(self._random.random() * len(choices))]

    def plain_or_odd(self, plain: Sequence[Any], odd: Sequence[Any]) -> Any:
        return self.one_of(odd if self.odd() else plain)

    def value(self, depth: int = 0) -> Any:
        """Anything at all."""
        sort = int(self._random.random() * (9 if depth < 4 else 7))
        if sort == 0:
            return self.one_of((None, True, False))
        if sort == 1:
            return self.plain_or_odd(INTEGERS, ODD_INTEGERS)
        if sort == 2:
            return self.plain_or_odd(FLOATS, ODD_FLOATS)
        if sort < 6:
            return self.plain_or_odd(TEXTS, ODD_TEXTS)
        if sort == 6:
            return self.one_of(ODD_VALUES) if self.odd() else self.one_of(INTEGERS[:6])
        if sort == 7:
            return [self.value(depth + 1) for _ in range(int(self._random.random() * 4))]
        return Pairs((self.key(), self.value(depth + 1)) for _ in range(int(self._random.random() * 4)))

    def key(self) -> Any:
        return self.value() if self.odd() else self.one_of(KEYS)

    def other_key(self) -> Any:
        """A key that means nothing to the sidecar, mostly."""
        return self.plain_or_odd(KEYS[-3:], KEYS)

    def number(self) -> Any:
        if self.odd():
            return self.value()
        return self.plain_or_odd(NUMBERS, ODD_NUMBERS)

    def header_name(self) -> Any:
        if self.odd():
            return self.value()
        return self.plain_or_odd(NAMES, ODD_NAMES)

    def added(self) -> Any:
        if self.odd():
            return self.value()
        pairs = Pairs([("key", self.header_name()), ("value", self.value() if self.odd() else self.header_value())])
        if self._random.random() < 0.1:
            pairs.reverse()
        if self.odd():
            pairs.append((self.key(), self.value()))
        return pairs

    def header_value(self) -> Any:
        sorts = ((TEXTS, ODD_TEXTS), (TEXTS, ODD_TEXTS), (INTEGERS, ODD_INTEGERS), (FLOATS, ODD_FLOATS), BOOLEANS)
        return self.plain_or_odd(*self.one_of(sorts))

    def removed(self) -> Any:
        if self.odd():
            return self.value()
        name = self.header_name()
        return name if self._random.random() < 0.3 else Pairs([("key", name)])

    def changes(self, entry: Callable[[], Any]) -> Any:
        if self.odd():
            return self.one_of((None, False, "", 0, Pairs(), Pairs(), self.value(), entry()))
        many = self.one_of((0, 1, 1, 2, 5)) if not self.odd() else 101
        return [entry() for _ in range(many)]

    def gateway(self) -> Any:
        if self.odd():
            return self.value()
        pairs = Pairs()
        for _ in range(int(self._random.random() * 4)):
            key = "cli" if self._random.random() < 0.4 else self.key()
            if any(key == one for one, _ in pairs) and not self.odd():
                continue
            pairs.append((key, self.number() if key == "cli" else self.value()))
        return pairs

    def destination(self) -> Any:
        if self.odd():
            return self.value()
        pairs = Pairs()
        for _ in range(int(self._random.random() * 5)):
            name = self.one_of(("gw", "gw", "headers", "remove_headers", ""))
            if any(name == one for one, _ in pairs) and not self.odd():
                continue
            if name == "gw":
                gateways = Pairs((self.key(), self.gateway()) for _ in range(self.one_of((0, 1, 1, 2))))
                pairs.append((name, self.value() if self.odd() else gateways))
            elif name:
                pairs.append((name, self.changes(self.added if name == "headers" else self.removed)))
            else:
                pairs.append((self.other_key(), self.value()))
        return pairs

    def routing(self, layouts: Sequence[Sequence[str]] = ()) -> Any:
        if self.odd():
            return self.value()
        pairs = Pairs()
        for name in self.one_of(layouts or LAYOUTS):
            if name == "egress_routing":
                many = self.one_of((0, 1, 2, 3)) if not self.odd() else self.one_of((25, 501))
                destinations = [self.destination() for _ in range(many)]
                pairs.append((name, self.value() if self.odd() else destinations))
            elif name in ("cli", "dest_number"):
                pairs.append((name, self.number()))
            elif name:
                pairs.append((name, self.changes(self.added if name == "headers" else self.removed)))
            else:
                pairs.append((self.other_key(), self.value()))
            if self.odd():
                pairs.append(self.one_of(pairs))
        return pairs

    def result(self) -> Any:
        if self.odd():
            return self.value()
        pairs = Pairs()
        for name in self.one_of(RESULT_LAYOUTS):
            if name == "routing":
                pairs.append((name, self.routing(LAYOUTS if self.odd() else LAYOUTS_LEFT)))
            elif name in ("headers", "remove_headers"):
                entry = self.added if name == "headers" else self.removed
                lists = [self.changes(entry) for _ in range(2 if not self.odd() else 3)]
                pairs.append((name, self.value() if self.odd() else lists))
            else:
                pairs.append((name, self.one_of(([404, "No"], ["cli", "NaN"], ["a", "b"], self.value()))))
            if self.odd():
                pairs.append(self.one_of(pairs))
        return pairs

    # ---- bytes ----

    def packed(self, tree: Any) -> bytes:
        """In a format that is mostly the shortest."""
        out = bytearray()
        self._pack(tree, out)
        return bytes(out)

    def damaged(self, packed: bytes) -> bytes:
        """With some bytes changed, left out or put in, mostly none."""
        if self._random.random() < 0.6:
            return packed
        data = bytearray(packed)
        for _ in range(self.one_of((1, 1, 2, 4))):
            at = int(self._random.random() * (len(data) + 1))
            what = self.one_of(("change", "change", "cut", "insert", "end", "copy"))
            byte = self.one_of(BYTES)
            if what == "change" and at < len(data):
                data[at] = byte
            elif what == "cut":
                del data[at : at + 1 + int(self._random.random() * 3)]
            elif what == "insert":
                data.insert(at, byte)
            elif what == "end":
                del data[at:]
            else:
                data[at:at] = data[at : at + 8]
        return bytes(data)

    def _wide(self) -> int:
        """How many formats longer than need be."""
        return self.one_of((1, 2, 3)) if self.odd() else 0

    def _pack(self, value: Any, out: bytearray) -> None:
        if type(value) is Pairs:
            self._head(len(value), (0x80, 16), (0xDE, 0xDF), ">H", out)
            for key, item in value:
                self._pack(key, out)
                self._pack(item, out)
        elif type(value) is list:
            self._head(len(value), (0x90, 16), (0xDC, 0xDD), ">H", out)
            for item in value:
                self._pack(item, out)
        elif type(value) is str:
            text = value.encode("utf-8", "surrogatepass")
            self._head(len(text), (0xA0, 32), (0xD9, 0xDA, 0xDB), ">B", out)
            out += text
        elif type(value) is float and self.odd():
            try:
                out += b"\xca" + struct.pack(">f", value)
            except OverflowError:
                out += b"\xcb" + struct.pack(">d", value)
        elif type(value) is int and self._wide():
            out += b"\xd3" + struct.pack(">q", value) if value < 2**63 else b"\xcf" + struct.pack(">Q", value)
        else:
            out += msgspec.msgpack.encode(value)

    def _head(self, length: int, short: tuple[int, int], long: tuple[int, ...], first: str, out: bytearray) -> None:
        formats = (">B", ">H", ">I")[(">B", ">H", ">I").index(first) :]
        choice = self._wide() - 1
        if choice < 0 and length < short[1]:
            out.append(short[0] | length)
            return
        for index, form in enumerate(formats):
            if index >= min(choice, len(formats) - 1) and length < 1 << 8 * struct.calcsize(form):
                out.append(long[index])
                out += struct.pack(form, length)
                return


INTEGERS: Final = (
    *(0, 1, 7, 40312, 5060, -1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, -32, -33, -128, -129),
    *(2**53 - 2, 2**53 - 1, 1 - 2**53, -(2**31), 1_760_000_000_000),
)


ODD_INTEGERS: Final = (2**53, -(2**53), 2**63 - 1, 2**64 - 1, -(2**63))


FLOATS: Final = (
    *(0.5, 0.0042, 3.0, 0.1, -0.25, 1e-5, 1e-6, 1.5e-6, 123456789.25, 1e14 + 0.5, -0.0, 0.0, 0.123456789),
    *(99999999999999.9, 999999999999999.0, 1e-6 + 1e-9, 4503599627.370497, 0.3, 1.1, 2.675, 4.35, -7.25e-5),
)


ODD_FLOATS: Final = (
    *(1e-7, 0.1 + 0.2, 1 / 3, 1e15, 1e21, 1e20, 1e22, 2.0**53, 2.0**-24, 5e-324, 1.7e308, 0.1234567891, 1e-9),
    *(float("nan"), float("inf"), float("-inf")),
)


TEXTS: Final = (
    *("", "a", "London 1", "20 7946 0123", "PCMA", "192.0.2.1", "caf\xe9", "\u4f60\u597d", "\U0001f600", "x" * 31),
    *("x" * 32, "\t", "a\tb", "\xa0", "\u2027", "\u202a", "\u20ac", "\xc2", "\xe2\xa8", "x" * 255, "y" * 4096),
    *("\xe9" * 4096, "\U000e0001", "\ufeff", "\ufffe", "\U0010ffff", " ", "~", "key", "cli", "9007199254740993"),
)


ODD_TEXTS: Final = (
    *("a\r\nb", "\x00", "\x7f", "\x80", "\x9f", "a\x85", "\u2028", "\u2029", "\xe2\x80\xa8", "\ud800", "a\udfff"),
    *("z" * 4097, "\xe9" * 4097, "\x1f", "\x08", "\x0a"),
)


BOOLEANS: Final = ((True, False), (True, False, None))


KEYS: Final = (
    *("name", "host", "cli", "gw", "headers", "remove_headers", "egress_routing", "key", "value", "", "1"),
    *("200", "__proto__", "caf\xe9", "dest_number", "routing", "london", "x" * 40, "rate"),
)


NUMBERS: Final = (
    *(None, "", "442079460100", "+4420", "anonymous", "1#*", "(0)1/2", "x" * 128, "442079460100", "442079460100"),
    *(4420, 0, -5, 2**53 - 1, "%20"),
)


ODD_NUMBERS: Final = (
    *("a;b", "a?b", "a@b", "020 7946 0123", "x" * 129, "\xe9", 2**53, 4420.0, True, "a b", "\ud800"),
    *("020 7946 0123", "a;b", "a@b"),
)


NAMES: Final = (
    *("X-Account", "X-A", "P-Asserted-Identity", "record-routes", "k", "s", "S", "x", "x" * 128, "X-1.!%*_+`'~-"),
    *("toX", "vi", "X-Account", "X-Account", "X-Tag", "Subject", "X-Rate", "Diversion", "cseqs", "froms", "tx"),
)


ODD_NAMES: Final = (
    *("Via", "v", "V", "Contact", "m", "M", "to", "T", "From", "F", "c", "C", "Content-Type", "CONTENT-LENGTH", "l"),
    *("L", "Route", "Record-Route", "Call-ID", "I", "i", "CSeq", "Max-Forwards", "", "a b", "caf\xe9", "X:", "x" * 129),
    *("X-\x00", "\ud800", "f", "t"),
)


ODD_VALUES: Final[tuple[Any, ...]] = (
    b"", b"bin", b"\xff" * 300, msgspec.msgpack.Ext(5, b"x"), msgspec.msgpack.Ext(-1, b"\0\0\0\1"),
    msgspec.msgpack.Ext(1, b"12345678901234567"), [[[[[[[[[[[[]]]]]]]]]]]],
)  # fmt: skip


BYTES: Final = (
    *(0x00, 0x01, 0x7F, 0x80, 0x81, 0x82, 0x8F, 0x90, 0x91, 0x9F, 0xA0, 0xA1, 0xA3, 0xBF, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4),
    *(0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCC, 0xCF, 0xD0, 0xD3, 0xD4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF),
    *(0xE0, 0xED, 0xF4, 0xFF, 0x0A, 0x0D, 0x20, 0x41),
)


LAYOUTS: Final = (
    ("account", "cli", "dest_number", "egress_routing")[1:],
    ("", "cli", "dest_number", "", "egress_routing"),
    ("egress_routing", "cli"),
    ("cli", "egress_routing", "headers", "remove_headers"),
    ("egress_routing", ""),
    ("dest_number",),
)


LAYOUTS_LEFT: Final = tuple(layout for layout in LAYOUTS if "headers" not in layout)


RESULT_LAYOUTS: Final = (
    ("routing", "headers", "remove_headers"),
    ("routing", "headers", "remove_headers"),
    ("headers", "routing", "remove_headers"),
    ("routing",),
    ("routing", "remove_headers"),
    ("routing", "headers", "remove_headers", "unread"),
    ("routing", "no_number", "headers"),
    ("reject",),
    ("headers",),
)


ROUTINGS: Final[tuple[dict[str, Any], ...]] = (
    {"egress_routing": []},
    {"cli": "020 7946 0123", "dest_number": "a;b", "egress_routing": [{"gw": {"1": {"cli": "a@b"}}}]},
    {"cli": 4420, "dest_number": None},
)


GIVEN: Final = tuple(routing_host.initial_state(pack_routing(routing)) for routing in ROUTINGS)
