// Node's crypto, as far as the runtime's digests and random bytes carry it.
const { digest: nativeDigest, fillRandom, own } = require("scriptforge:runtime");
const { Buffer } = require("buffer");
const { md5, ripemd160 } = require("@noble/hashes/legacy.js");
const { sha224 } = require("@noble/hashes/sha2.js");
const { absent, checkFunction, coded, outOfRange, wrongType } = require("./shared/errors");

const native = (name) => (bytes) => Buffer.from(nativeDigest(name, bytes));
const HASHES = {
  __proto__: null,
  md5: { block: 64, digest: (bytes) => Buffer.from(md5(bytes)) },
  ripemd160: { block: 64, digest: (bytes) => Buffer.from(ripemd160(bytes)) },
  sha1: { block: 64, digest: native("SHA-1") },
  sha224: { block: 64, digest: (bytes) => Buffer.from(sha224(bytes)) },
  sha256: { block: 64, digest: native("SHA-256") },
  sha384: { block: 128, digest: native("SHA-384") },
  sha512: { block: 128, digest: native("SHA-512") },
};
const hashNamed = (name) => HASHES[`${name}`.toLowerCase().replace("sha-", "sha").replace("rsa-", "")];

const bytesOf = (value, encoding, name = "data") => {
  if (typeof value === "string") return Buffer.from(value, encoding === "buffer" ? "utf8" : encoding);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  throw wrongType(name, "of type string or an instance of Buffer, TypedArray, or DataView", value);
};
// What is given may change before the digest is asked for.
const kept = (value, encoding) => {
  const bytes = bytesOf(value, encoding);
  return typeof value === "string" ? bytes : Buffer.from(bytes);
};
const output = (bytes, encoding) =>
  encoding === undefined || encoding === "buffer" ? bytes : bytes.toString(encoding);

const STREAM = ["emit", "end", "on", "once", "pipe", "read", "removeListener", "setEncoding", "write"];
// Of parts that are joined when it is asked for: the runtime digests whole texts. A stream only where it is used as one.
class Digesting {
  #parts = [];
  #ended = false;
  #stream;
  update(data, encoding) {
    if (this.#ended) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    this.#parts.push(kept(data, encoding));
    return this;
  }
  digest(encoding) {
    if (this.#ended) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    this.#ended = true;
    const whole = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#parts = [];
    return output(this.compute(whole), encoding);
  }
  static copied(from, to) {
    if (from.#ended) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    to.#parts = [...from.#parts];
    return to;
  }
  get stream() {
    if (this.#stream === undefined) {
      const { Transform } = require("stream");
      const self = this;
      this.#stream = new Transform({
        transform(chunk, encoding, done) {
          self.update(chunk, encoding);
          done();
        },
        flush(done) {
          this.push(self.digest());
          done();
        },
      });
    }
    return this.#stream;
  }
}
for (const name of STREAM) {
  Digesting.prototype[name] = function (...values) {
    const given = this.stream[name](...values);
    return given === this.stream ? this : given;
  };
}

class Hash extends Digesting {
  #hash;
  constructor(name) {
    super();
    if (typeof name !== "string") throw wrongType("algorithm", "of type string", name);
    this.#hash = hashNamed(name);
    if (this.#hash === undefined) throw new Error("Digest method not supported");
    this.name = name;
    Object.defineProperty(this, "name", { enumerable: false });
  }
  compute(bytes) {
    return this.#hash.digest(bytes);
  }
  copy() {
    return Digesting.copied(this, new Hash(this.name));
  }
}

// RFC 2104: the two pads with room for what follows them, since one key is used for many texts.
const keyed = (hash, key) => {
  const block = Buffer.alloc(hash.block);
  block.set(key.length > hash.block ? hash.digest(key) : key);
  const inner = block.map((byte) => byte ^ 0x36);
  const outer = block.map((byte) => byte ^ 0x5c);
  return (bytes) => hash.digest(Buffer.concat([outer, hash.digest(Buffer.concat([inner, bytes]))]));
};

class Hmac extends Digesting {
  #compute;
  constructor(name, key) {
    super();
    const hash = hashNamed(name);
    if (hash === undefined) throw coded(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${name}`);
    this.#compute = keyed(hash, bytesOf(key instanceof KeyObject ? key.export() : key, "utf8", "key"));
  }
  compute(bytes) {
    return this.#compute(bytes);
  }
}

class KeyObject {
  #bytes;
  type = "secret";
  constructor(bytes) {
    this.#bytes = Buffer.from(bytes);
  }
  get symmetricKeySize() {
    return this.#bytes.length;
  }
  export() {
    return Buffer.from(this.#bytes);
  }
  equals(other) {
    return this.#bytes.equals(other.export());
  }
}

const MOST_ITERATIONS = 2 ** 31 - 1;
const whole = (name, value, least, most) => {
  if (typeof value !== "number") throw wrongType(name, "of type number", value);
  if (!Number.isInteger(value)) throw outOfRange(name, "an integer", value);
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
  return value;
};
// RFC 8018, 5.2.
const pbkdf2Sync = (password, salt, iterations, length, name) => {
  if (typeof name !== "string") throw wrongType("digest", "of type string", name);
  const secret = bytesOf(password, "utf8", "password");
  const salted = bytesOf(salt, "utf8", "salt");
  whole("iterations", iterations, 1, MOST_ITERATIONS);
  whole("keylen", length, 0, MOST_ITERATIONS);
  const hash = hashNamed(name);
  if (hash === undefined) throw coded(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${name}`);
  const block = Buffer.alloc(hash.block);
  block.set(secret.length > hash.block ? hash.digest(secret) : secret);
  const size = hash.digest(Buffer.alloc(0)).length;
  // The pads stay where they are, and what follows them is written over: an iteration makes no buffer of its own.
  const inner = new Uint8Array(hash.block + size);
  const outer = new Uint8Array(hash.block + size);
  for (let index = 0; index < hash.block; index++) {
    inner[index] = block[index] ^ 0x36;
    outer[index] = block[index] ^ 0x5c;
  }
  const made = Buffer.alloc(length);
  for (let number = 1, at = 0; at < length; number++, at += size) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(number);
    const first = hash.digest(Buffer.concat([inner.subarray(0, hash.block), salted, counter]));
    outer.set(first, hash.block);
    let last = hash.digest(outer);
    const sum = new Uint8Array(last);
    for (let round = 1; round < iterations; round++) {
      inner.set(last, hash.block);
      outer.set(hash.digest(inner), hash.block);
      last = hash.digest(outer);
      for (let index = 0; index < size; index++) sum[index] ^= last[index];
    }
    made.set(sum.subarray(0, length - at), at);
  }
  return made;
};
// RFC 5869.
const hkdfSync = (name, key, salt, info, length) => {
  const hash = hashNamed(name);
  if (hash === undefined) throw coded(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${name}`);
  const extracted = keyed(hash, bytesOf(salt, "utf8", "salt"))(bytesOf(key, "utf8", "ikm"));
  const expand = keyed(hash, extracted);
  const parts = [];
  let last = Buffer.alloc(0);
  for (let number = 1, size = 0; size < length; number++, size += last.length) {
    last = expand(Buffer.concat([last, bytesOf(info, "utf8", "info"), Buffer.from([number])]));
    parts.push(last);
  }
  const all = Buffer.concat(parts).subarray(0, length);
  return all.buffer.slice(all.byteOffset, all.byteOffset + length);
};

const later = (called) =>
  function (...values) {
    const callback = values.pop();
    checkFunction("callback", callback);
    const { nextTick } = require("process");
    const value = called(...values);
    nextTick(callback, null, value);
  };

const MOST_RANDOM = 2 ** 31 - 1;
const randomBytesSync = (size) => {
  whole("size", size, 0, MOST_RANDOM);
  const made = Buffer.alloc(size);
  fillRandom(made);
  return made;
};
const randomFillSync = (given, offset = 0, size = given.byteLength - offset) => {
  if (!ArrayBuffer.isView(given) && !(given instanceof ArrayBuffer))
    throw wrongType("buf", "an instance of ArrayBuffer or ArrayBufferView", given);
  const begin = given.byteOffset ?? 0;
  fillRandom(new Uint8Array(given.buffer ?? given, begin + offset, size));
  return given;
};
const MOST_RANGE = 2 ** 48 - 1;
const randomIntSync = (...range) => {
  const [least, most] = range.length === 1 ? [0, range[0]] : range;
  for (const [name, value] of [
    ["min", least],
    ["max", most],
  ])
    if (!Number.isSafeInteger(value)) throw wrongType(name, "a safe integer", value);
  if (most <= least) throw outOfRange("max", `greater than the value of "min" (${least})`, most);
  const span = most - least;
  if (span > MOST_RANGE) throw outOfRange(range.length === 1 ? "max" : "max - min", `<= ${MOST_RANGE}`, span);
  // Those above a whole number of spans would make the first ones likelier.
  const bound = 2 ** 48 - (2 ** 48 % span);
  for (;;) {
    const drawn = randomBytesSync(6).readUIntBE(0, 6);
    if (drawn < bound) return (drawn % span) + least;
  }
};
const randomUUID = () => {
  const bytes = randomBytesSync(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};
// With a callback as the last of so many arguments it answers that, later.
const sometimesLater = (called, index) => {
  const answered = later(called);
  return (...values) => (typeof values[index(values)] === "function" ? answered(...values) : called(...values));
};
const last = (values) => values.length - 1;

const timingSafeEqual = (first, second) => {
  for (const [name, one] of [
    ["buf1", first],
    ["buf2", second],
  ])
    if (!ArrayBuffer.isView(one) && !(one instanceof ArrayBuffer))
      throw coded(
        TypeError,
        "ERR_INVALID_ARG_TYPE",
        `The "${name}" argument must be an instance of ArrayBuffer, Buffer, TypedArray, or DataView.`,
      );
  const left = bytesOf(first);
  const right = bytesOf(second);
  if (left.length !== right.length)
    throw coded(RangeError, "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH", "Input buffers must have the same byte length");
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= left[index] ^ right[index];
  return difference === 0;
};

const createHash = (name) => new Hash(name);
const createHmac = (name, key) => new Hmac(name, key);
module.exports = {
  ...absent("crypto", [
    "createCipheriv",
    "createDecipheriv",
    "createDiffieHellman",
    "createECDH",
    "createPrivateKey",
    "createPublicKey",
    "createSign",
    "createVerify",
    "diffieHellman",
    "generateKey",
    "generateKeyPair",
    "generateKeyPairSync",
    "generateKeySync",
    "privateDecrypt",
    "privateEncrypt",
    "publicDecrypt",
    "publicEncrypt",
    "scrypt",
    "scryptSync",
    "sign",
    "verify",
    "X509Certificate",
  ]),
  constants: {},
  Hash,
  Hmac,
  KeyObject,
  createHash,
  createHmac,
  createSecretKey: (key, encoding) => new KeyObject(bytesOf(key, encoding)),
  getCiphers: () => [],
  getCurves: () => [],
  getHashes: () => Object.keys(HASHES),
  getRandomValues: (given) => randomFillSync(given),
  hash: (name, data, encoding = "hex") => createHash(name).update(data).digest(encoding),
  hkdf: later(hkdfSync),
  hkdfSync,
  pbkdf2: later(pbkdf2Sync),
  pbkdf2Sync,
  pseudoRandomBytes: sometimesLater(randomBytesSync, last),
  randomBytes: sometimesLater(randomBytesSync, last),
  randomFill: later(randomFillSync),
  randomFillSync,
  randomInt: sometimesLater(randomIntSync, last),
  randomUUID,
  timingSafeEqual,
  get subtle() {
    return crypto.subtle;
  },
  get webcrypto() {
    return own("crypto");
  },
};
