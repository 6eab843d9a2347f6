"""Buffer and string_decoder: as Node's own, on the same program."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.sidecar.hosts.node.comparison import Both

ENCODINGS = ("utf8", "latin1", "binary", "ascii", "hex", "base64", "base64url", "utf16le", "ucs2", "UTF-8")
OFTEN = settings(max_examples=150, deadline=None)
bytes_ = st.lists(st.integers(0, 255), max_size=40)
texts = st.text(max_size=30)


@OFTEN
@given(text=texts, encoding=st.sampled_from(ENCODINGS))
def test_a_text_as_bytes(both: Both, text: str, encoding: str) -> None:
    # Of a character past Latin-1 Node takes the lower half for a digit.
    assume(text.isascii() or not encoding.startswith(("base64", "hex")))
    body = "const { text, encoding } = input; const bytes = Buffer.from(text, encoding);"
    both.value(f"{body} return [[...bytes], Buffer.byteLength(text, encoding)];", {"text": text, "encoding": encoding})


@OFTEN
@given(data=bytes_, encoding=st.sampled_from(ENCODINGS), begin=st.integers(0, 5), end=st.integers(0, 45))
def test_bytes_as_a_text(both: Both, data: list[int], encoding: str, begin: int, end: int) -> None:
    body = "const { data, encoding, begin, end } = input; return Buffer.from(data).toString(encoding, begin, end);"
    both.value(body, {"data": data, "encoding": encoding, "begin": begin, "end": end})


@OFTEN
@given(text=st.text(alphabet="0123456789abcdefABCDEFxg+/-_= \n", max_size=20))
@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url"])
def test_what_is_no_digit(both: Both, encoding: str, text: str) -> None:
    body = "return [...Buffer.from(input.text, input.encoding)];"
    both.value(body, {"text": text, "encoding": encoding})


@OFTEN
@given(data=bytes_, sought=bytes_.filter(lambda one: len(one) < 4), offset=st.integers(-5, 45))
def test_what_is_sought(both: Both, data: list[int], sought: list[int], offset: int) -> None:
    body = """const bytes = Buffer.from(input.data), sought = Buffer.from(input.sought);
      return [bytes.indexOf(sought, input.offset), bytes.lastIndexOf(sought), bytes.includes(sought),
        bytes.indexOf(sought[0] ?? 7, input.offset), Buffer.compare(bytes, sought), bytes.equals(sought)];"""
    both.value(body, {"data": data, "sought": sought, "offset": offset})


@OFTEN
@given(data=st.lists(st.integers(0, 255), min_size=8, max_size=8), method=st.sampled_from(
    ["UInt8", "UInt16LE", "UInt16BE", "Int16LE", "Int32BE", "UInt32LE", "FloatLE", "DoubleBE", "Int8"]
))  # fmt: skip
def test_numbers(both: Both, data: list[int], method: str) -> None:
    body = """const { data, method } = input; const bytes = Buffer.from(data); const value = bytes[`read${method}`](0);
      const to = Buffer.alloc(8); const end = to[`write${method}`](value, 0); return [`${value}`, end, [...to]];"""
    both.value(body, {"data": data, "method": method})


@pytest.mark.parametrize(
    "body",
    [
        "return Buffer.from([1, 2, 3])",
        "return [Buffer.from('abc').toJSON(), `${Buffer.from('é')}`, Buffer.from('abc') + '']",
        "return Buffer.concat([Buffer.from('a'), new Uint8Array([98, 99])], 2).toString()",
        "return [Buffer.alloc(3, 'ab').toString(), [...Buffer.alloc(4, 258)], [...Buffer.alloc(2)]]",
        "return Buffer.from('abcdef').subarray(1, 4).toString() + Buffer.from('abc').slice(-2)",
        "const a = new ArrayBuffer(4); const b = Buffer.from(a, 1, 2); b[0] = 7; return [...new Uint8Array(a)]",
        "return [Buffer.isBuffer(Buffer.alloc(1)), Buffer.isBuffer(new Uint8Array(1)), Buffer.isEncoding('base64url')]",
        "return Buffer.from(Buffer.from('abc')).fill('xy', 1).toString()",
        "return [Buffer.from('ff', 'hex').readInt8(), Buffer.from('0102030405060708', 'hex').readBigUInt64BE() + '']",
        "const b = Buffer.alloc(8); b.writeBigInt64LE(-5n); return [...b]",
        "const b = Buffer.alloc(6); b.writeUIntBE(0x123456789a, 1, 5); return [[...b], b.readUintBE(1, 5)]",
        "const b = Buffer.alloc(5); return [b.write('héllo'), b.toString(), b.write('ff00', 1, 'hex'), [...b]]",
        "return [...Buffer.from('abcd').swap16()].concat([...Buffer.from('abcd').swap32()])",
        "return [...Buffer.from('abc').entries()].concat([...Buffer.from('a').keys()])",
        "return require('util').inspect(Buffer.from('abc')) + require('util').inspect(Buffer.alloc(60))",
        "return [require('buffer').constants.MAX_STRING_LENGTH > 1000, require('node:buffer').Buffer === Buffer]",
        "return [Buffer.from({ length: 2, 0: 5, 1: 6 })].map((one) => [...one])",
        "return [...Buffer.from(new String('abc'))].concat([...Buffer.from({ type: 'Buffer', data: [1] })])",
        "const b = Buffer.from('abcdef'); b.copy(b, 2, 0, 4); return b.toString()",
        "return JSON.stringify({ b: Buffer.from('a') })",
        "return [Buffer.from('a').compare(Buffer.from('b')), Buffer.of(1, 2).length]",
        "return Buffer.from('€uro').toString('latin1') + Buffer.from('€').toString('ascii')",
        "return [Buffer.from('test').toString('base64url'), Buffer.from('dGVzdA', 'base64url').toString()]",
        "return require('buffer').transcode(Buffer.from('é'), 'utf8', 'latin1').length",
        "return [require('buffer').isUtf8(Buffer.from([255])), require('buffer').isAscii(Buffer.from('a'))]",
        # what cannot be
        "Buffer.from(5)",
        "Buffer.from(null)",
        "Buffer.from('a', 'utf9')",
        "Buffer.alloc('5')",
        "Buffer.alloc(-1)",
        "Buffer.from('a').toString('nope')",
        "Buffer.concat('a')",
        "Buffer.concat([5])",
        "Buffer.byteLength(5)",
        "Buffer.from(new ArrayBuffer(2), 3)",
        "Buffer.from('abc').swap16()",
        "Buffer.from('a').equals('a')",
        "Buffer.alloc(1).readInt16LE(0)",
        "Buffer.alloc(4).readInt32LE(1)",
        "Buffer.alloc(1).readUInt8('0')",
        "Buffer.alloc(1).writeUInt8(256)",
        "Buffer.alloc(2).writeInt16BE(40000)",
    ],
)  # fmt: skip
def test_ordinary_use(both: Both, body: str) -> None:
    both.answer(body)


@OFTEN
@given(
    data=bytes_,
    cuts=st.lists(st.integers(0, 40), max_size=4),
    encoding=st.sampled_from(("utf8", "base64", "hex", "latin1", "utf16le", "ascii")),
)
def test_a_decoder_of_parts(both: Both, data: list[int], cuts: list[int], encoding: str) -> None:
    body = """const { StringDecoder } = require('string_decoder'); const decoder = new StringDecoder(input.encoding);
      const bytes = Buffer.from(input.data); const said = []; let at = 0;
      for (const cut of [...input.cuts, 40].sort((a, b) => a - b)) { said.push(decoder.write(bytes.subarray(at, cut))); at = Math.max(at, cut) }
      return [said, decoder.end()];"""
    both.value(body, {"data": data, "cuts": cuts, "encoding": encoding})
