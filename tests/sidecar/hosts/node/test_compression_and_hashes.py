"""zlib and crypto: as Node's own, on the same program; what one packs the other unpacks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sidecar.hosts.node.comparison import Both

OFTEN = settings(max_examples=40, deadline=None)
PACKERS = {"gzipSync": "gunzipSync", "deflateSync": "inflateSync", "deflateRawSync": "inflateRawSync"}


@OFTEN
@given(data=st.binary(max_size=300), times=st.integers(1, 40), level=st.sampled_from([-1, 0, 1, 6, 9]))
@pytest.mark.parametrize("packer", PACKERS)
def test_what_one_packs_the_other_unpacks(both: Both, packer: str, data: bytes, times: int, level: int) -> None:
    pack = """const z = require('zlib'); const bytes = Buffer.from(input.hex.repeat(input.times), 'hex');
      return z[input.packer](bytes, { level: input.level }).toString('hex')"""
    asked = {"hex": data.hex(), "times": times, "level": level, "packer": packer}
    unpack = "return require('zlib')[input.unpacker](Buffer.from(input.hex, 'hex')).toString('hex')"
    for packed in (both.ours(pack, asked)["value"], both.theirs(pack, asked)["value"]):
        assert both.value(unpack, {"hex": packed, "unpacker": PACKERS[packer]}) == data.hex() * times


@pytest.mark.parametrize(
    "body",
    [
        "return zlib.gunzipSync(zlib.gzipSync('hello')).toString()",
        "return zlib.unzipSync(zlib.deflateSync(Buffer.from('hello'))).toString()",
        "return promisify(zlib.gunzip)(await promisify(zlib.gzip)('hello')).then((one) => one.toString())",
        "return new Promise((resolve) => zlib.inflate(Buffer.from('no'), (e) => resolve([e.code, e.errno, e.message])))",
        "zlib.gunzipSync(Buffer.from('not at all packed'))",
        "zlib.inflateSync(Buffer.from([120, 156, 75]))",
        "const parts = []; await pipeline(Readable.from([Buffer.from('abc'.repeat(9999))]), zlib.createGzip(),"
        " zlib.createGunzip(), async function (s) { for await (const one of s) parts.push(one) });"
        " return Buffer.concat(parts).length",
        "const g = zlib.createGunzip(); g.end(zlib.gzipSync('abc')); const got = []; for await (const one of g)"
        " got.push(one.toString()); return got",
        "const g = zlib.createInflate(); g.end('rubbish'); return new Promise((resolve) =>"
        " g.on('error', (e) => resolve([e.code, e.message])))",
        "return [zlib.constants.Z_BEST_COMPRESSION, zlib.constants.Z_FINISH, zlib.Z_SYNC_FLUSH]",
        "return zlib.gunzipSync(Buffer.concat([zlib.gzipSync('a'), zlib.gzipSync('b')])).toString()",
        "return zlib.inflateSync(zlib.deflateSync('x', { dictionary: Buffer.from('xyz') }),"
        " { dictionary: Buffer.from('xyz') }).toString()",
    ],
)
def test_zlib(both: Both, body: str) -> None:
    both.answer(
        "const zlib = require('zlib'); const { promisify } = require('util'); const { Readable } = require('stream');"
        f" const {{ pipeline }} = require('stream/promises'); {body}"
    )


HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "SHA256", "RSA-SHA256", "ripemd160")


@OFTEN
@given(data=st.binary(max_size=300), key=st.binary(max_size=150), cut=st.integers(0, 300))
@pytest.mark.parametrize("name", HASHES)
def test_hashes(both: Both, name: str, data: bytes, key: bytes, cut: int) -> None:
    body = """const crypto = require('crypto'); const { name, cut } = input;
      const [data, key] = [input.data, input.key].map((one) => Buffer.from(one, 'hex'));
      const parted = (made) => made.update(data.subarray(0, cut)).update(data.subarray(cut)).digest('hex');
      return [parted(crypto.createHash(name)), parted(crypto.createHmac(name, key))]"""
    both.value(body, {"name": name, "data": data.hex(), "key": key.hex(), "cut": cut})


@OFTEN
@given(
    password=st.binary(max_size=80), salt=st.binary(max_size=20), rounds=st.integers(1, 20), length=st.integers(0, 100)
)
@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512", "md5"])
def test_keys_of_passwords(both: Both, name: str, password: bytes, salt: bytes, rounds: int, length: int) -> None:
    body = """const { pbkdf2Sync, hkdfSync } = require('crypto'); const { name, rounds, length } = input;
      const [password, salt] = [input.password, input.salt].map((one) => Buffer.from(one, 'hex'));
      return [pbkdf2Sync(password, salt, rounds, length, name).toString('hex'),
        Buffer.from(hkdfSync(name, password, salt, 'info', length + 1)).toString('hex')]"""
    asked = {"name": name, "password": password.hex(), "salt": salt.hex(), "rounds": rounds, "length": length}
    both.value(body, asked)


@pytest.mark.parametrize(
    "body",
    [
        "return crypto.createHash('sha256').update('é', 'utf8').update('ff', 'hex').digest('base64')",
        "const h = crypto.createHash('md5').update('a'); const c = h.copy().update('b');"
        " return [h.digest('hex'), c.digest('hex')]",
        "const h = crypto.createHash('sha1'); h.write('a'); h.end('b'); return h.read().toString('hex')",
        "const h = crypto.createHash('sha1').setEncoding('hex'); h.end('ab'); const got = []; h.on('data', (d) =>"
        " got.push(d)); await new Promise((resolve) => h.on('end', resolve)); return got",
        "return crypto.createHmac('sha512', 'key').update('text').digest('base64url')",
        "return [crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a')),"
        " crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('b'))]",
        "return [crypto.randomBytes(8).length, /^[0-9a-f-]{36}$/.test(crypto.randomUUID()),"
        " crypto.randomInt(5) < 5, crypto.randomInt(3, 4)]",
        "return new Promise((resolve) => crypto.randomBytes(4, (e, bytes) => resolve([e, bytes.length])))",
        "return new Promise((resolve) => crypto.pbkdf2('a', 'b', 1, 4, 'sha1', (e, key) => resolve(key.toString('hex'))))",
        "return crypto.randomFillSync(new Uint8Array(4)).length",
        "return crypto.getHashes().includes('sha256')",
        "return [...new Uint8Array(await crypto.webcrypto.subtle.digest('SHA-256', Buffer.from('a')))].length",
        "crypto.createHash('none')",
        "crypto.createHmac('none', 'a')",
        "crypto.createHash('sha1').update(5)",
        "const h = crypto.createHash('sha1'); h.digest(); h.digest()",
        "const h = crypto.createHash('sha1'); h.digest(); h.update('a')",
        "crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('ab'))",
        "crypto.timingSafeEqual('a', 'a')",
        "crypto.pbkdf2Sync('a', 'b', 0, 4, 'sha1')",
        "crypto.pbkdf2Sync('a', 'b', 1, 4, 'none')",
        "crypto.pbkdf2Sync('a', 'b', 1, 4)",
        "crypto.randomInt(5, 5)",
        "crypto.randomBytes('5')",
        "crypto.randomBytes(-1)",
    ],
)
def test_crypto(both: Both, body: str) -> None:
    both.answer(f"const crypto = require('crypto'); {body}")


def test_random_bytes_are_those_of_the_run(both: Both) -> None:
    body = "const { randomBytes } = require('crypto'); return [1, 2, 3].map(() => randomBytes(16).toString('hex'))"
    first, second = both.ours(body)["value"], both.ours(body)["value"]
    assert len(set(first)) == 3
    # The comparison gives each run the same seed.
    assert first == second
