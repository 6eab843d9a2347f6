"""The content of an answer, as its Content-Encoding says that it is packed."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.hosts.outgoing.exchange import OutgoingFailed
from sidecar.hosts.outgoing.unpacking import MEMBERS, content_of

MOST = 100_000


def unpacked(*pieces: bytes, codings: tuple[str, ...] = ("gzip",), most: int = MOST) -> bytes:
    content = content_of(codings)
    body = b"".join(content.feed(piece, most) for piece in pieces)
    content.finish()
    return body


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.data())
def test_members_are_one_content_however_they_come(members: list[bytes], data: st.DataObject) -> None:
    packed = b"".join(map(gzip.compress, members)) + bytes(data.draw(st.integers(0, 3)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=10)))
    pieces = [packed[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(packed)], strict=True)]
    assert unpacked(*pieces) == b"".join(members)


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([gzip.compress(b"a") + b"more"], "more behind its gzip"),
        ([gzip.compress(b"a") + b"\x1f?"], "more behind its gzip"),
        ([gzip.compress(b"a") + b"\x1f", b"?"], "more behind its gzip"),
        ([gzip.compress(b"a") + b"\x1f"], "has no end"),
        ([gzip.compress(b"a"), bytes(3), gzip.compress(b"b")], "more behind its gzip"),
        ([gzip.compress(b"a") + gzip.compress(b"b")[:-1]], "has no end"),
        ([gzip.compress(b"a") + b"\x1f\x8b" + b"\xff" * 8], "damaged"),
        ([b"a" * 10], "damaged"),
        ([b"a"], "has no end"),
        ([gzip.compress(b"") * (MEMBERS + 1)], f"more than {MEMBERS} members"),
    ],
)
def test_what_is_not_whole_or_has_more_is_refused(pieces: list[bytes], reason: str) -> None:
    with pytest.raises(OutgoingFailed, match=reason):
        unpacked(*pieces)


def test_no_more_is_unpacked_than_was_asked_for() -> None:
    content = content_of(["gzip"])
    assert len(content.feed(gzip.compress(bytes(1_000_000)) * 3, 1_000)) == 1_000


@pytest.mark.parametrize("codings", [(), ("",), ("identity",), ("Identity, ",)])
def test_what_is_not_packed_is_as_it_is(codings: tuple[str, ...]) -> None:
    assert unpacked(b"\x1f\x8b", b"?", codings=codings) == b"\x1f\x8b?"


@pytest.mark.parametrize("codings", [("gzip",), ("X-GZIP",), ("identity", "gzip"), ("gzip , identity",)])
def test_gzip_may_be_said_in_any_way(codings: tuple[str, ...]) -> None:
    assert unpacked(gzip.compress(b"a"), codings=codings) == b"a"


@pytest.mark.parametrize("codings", [("br",), ("deflate",), ("gzip", "br"), ("gzip, gzip",), ("zstd",)])
def test_what_was_not_asked_for_is_refused(codings: tuple[str, ...]) -> None:
    with pytest.raises(OutgoingFailed, match="was not asked for"):
        content_of(codings)
