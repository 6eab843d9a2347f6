// crypto (the Web Cryptography API): random values, digests and HMAC.
const MOST_RANDOM = 65536;
const INTEGERS = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
];
const HASHES = { __proto__: null, "SHA-1": 64, "SHA-256": 64, "SHA-384": 128, "SHA-512": 128 }; // bytes of a block
const THERE_IS = "there are digests and HMAC, by SHA-1, SHA-256, SHA-384 and SHA-512";

const hashNamed = (given) => {
  const name = String(typeof given === "object" && given !== null ? given.name : given).toUpperCase();
  if (name in HASHES) return name;
  throw failed(`${name.slice(0, 30)} is not available: ${THERE_IS}`, "NotSupportedError");
};
const digested = (hash, bytes) => new Uint8Array(lent.digest(hash, bytes));
const joined = (first, second) => {
  const made = new Uint8Array(first.length + second.length);
  made.set(first);
  made.set(second, first.length);
  return made;
};
// RFC 2104.
const hmac = (hash, key, bytes) => {
  const block = new Uint8Array(HASHES[hash]);
  block.set(key.length > block.length ? digested(hash, key) : key);
  const inner = digested(
    hash,
    joined(
      block.map((byte) => byte ^ 0x36),
      bytes,
    ),
  );
  return digested(
    hash,
    joined(
      block.map((byte) => byte ^ 0x5c),
      inner,
    ),
  );
};

let keyOf; // what is in a key

class CryptoKey {
  #bytes;
  #hash;
  #extractable;
  #usages;

  static {
    keyOf = (key, usage) => {
      if (!(#bytes in key)) throw new TypeError("a CryptoKey is needed");
      if (usage === "export" ? !key.#extractable : !key.#usages.includes(usage))
        throw failed(`the key is not for ${usage}`, "InvalidAccessError");
      return { bytes: key.#bytes, hash: key.#hash };
    };
  }
  constructor(right, bytes, hash, extractable, usages) {
    if (right !== BY_RIGHT) throw new TypeError("write crypto.subtle.importKey()");
    this.#bytes = bytes;
    this.#hash = hash;
    this.#extractable = !!extractable;
    this.#usages = [...usages].map(String);
    if (!this.#usages.length || this.#usages.some((one) => one !== "sign" && one !== "verify"))
      throw new DOMException("a key for HMAC is for sign and verify", "SyntaxError");
  }
  get type() {
    return "secret";
  }
  get extractable() {
    return this.#extractable;
  }
  get algorithm() {
    return { name: "HMAC", hash: { name: this.#hash }, length: this.#bytes.length * 8 };
  }
  get usages() {
    return [...this.#usages];
  }
}

const onlyHmac = (algorithm) => {
  const name = String(typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm);
  if (name.toUpperCase() !== "HMAC")
    throw failed(`${name.slice(0, 30)} is not available: ${THERE_IS}`, "NotSupportedError");
  return algorithm;
};
const onlyRaw = (format) => {
  if (format !== "raw") throw failed(`a key is imported and exported as "raw"`, "NotSupportedError");
};

class SubtleCrypto {
  constructor(right) {
    if (right !== BY_RIGHT) throw new TypeError("write crypto.subtle");
  }
  async digest(algorithm, data) {
    return digested(hashNamed(algorithm), bytesOf(data)).buffer;
  }
  async importKey(format, data, algorithm, extractable, usages) {
    onlyRaw(format);
    const { hash } = onlyHmac(algorithm);
    const bytes = bytesOf(data).slice();
    if (!bytes.length) throw failed("the key is empty", "DataError");
    return new CryptoKey(BY_RIGHT, bytes, hashNamed(hash), extractable, usages);
  }
  async generateKey(algorithm, extractable, usages) {
    const { hash, length } = onlyHmac(algorithm);
    const bytes = new Uint8Array(length === undefined ? HASHES[hashNamed(hash)] : Math.ceil(length / 8));
    lent.fillRandom(bytes);
    return new CryptoKey(BY_RIGHT, bytes, hashNamed(hash), extractable, usages);
  }
  async exportKey(format, key) {
    onlyRaw(format);
    return keyOf(key, "export").bytes.slice().buffer;
  }
  async sign(algorithm, key, data) {
    onlyHmac(algorithm);
    const { bytes, hash } = keyOf(key, "sign");
    return hmac(hash, bytes, bytesOf(data)).buffer;
  }
  async verify(algorithm, key, signature, data) {
    onlyHmac(algorithm);
    const { bytes, hash } = keyOf(key, "verify");
    const [given, right] = [bytesOf(signature), hmac(hash, bytes, bytesOf(data))];
    // All of it is compared, however early it differs.
    let differs = given.length ^ right.length;
    for (let index = 0; index < right.length; index++) differs |= right[index] ^ (given[index] ?? 0);
    return differs === 0;
  }
}
for (const name of ["encrypt", "decrypt", "deriveBits", "deriveKey", "wrapKey", "unwrapKey"])
  SubtleCrypto.prototype[name] = async () => {
    throw failed(`crypto.subtle.${name} is not available: ${THERE_IS}`, "NotSupportedError");
  };

class Crypto {
  #subtle = lent.waits ? new SubtleCrypto(BY_RIGHT) : undefined;

  constructor(right) {
    if (right !== BY_RIGHT) throw new TypeError("write crypto");
  }
  get subtle() {
    if (this.#subtle === undefined)
      throw new Error("crypto.subtle is not available in a Script, which is synchronous; make it an App");
    return this.#subtle;
  }
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || !INTEGERS.includes(Object.prototype.toString.call(array).slice(8, -1)))
      throw failed("an array of whole numbers is needed", "TypeMismatchError");
    if (array.byteLength > MOST_RANDOM) throw failed(`more than ${MOST_RANDOM} bytes at once`, "QuotaExceededError");
    lent.fillRandom(bytesOf(array));
    return array;
  }
  randomUUID() {
    const bytes = new Uint8Array(16);
    lent.fillRandom(bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => (byte < 16 ? "0" : "") + byte.toString(16)).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }
}
finish(CryptoKey);
finish(SubtleCrypto);
found.crypto = new (finish(Crypto))(BY_RIGHT);
