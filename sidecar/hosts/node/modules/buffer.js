// Node's Buffer: the package of that name, with what Node has besides.
const base = require("buffer/");
const { coded, outOfRange, unavailable, unknownEncoding, wrongType } = require("./shared/errors");

const { Buffer } = base;
const plain = {
  from: Buffer.from,
  isEncoding: Buffer.isEncoding,
  byteLength: Buffer.byteLength,
  toString: Buffer.prototype.toString,
  write: Buffer.prototype.write,
  fill: Buffer.prototype.fill,
  indexOf: Buffer.prototype.indexOf,
  lastIndexOf: Buffer.prototype.lastIndexOf,
};
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const MOST_BYTES = 2 ** 32; // as Node says; a run's memory is far less
const isUrl = (encoding) => typeof encoding === "string" && encoding.toLowerCase() === "base64url";
const toPlain = (text) => text.replaceAll("-", "+").replaceAll("_", "/");
const define = (object, methods) => {
  for (const name of Reflect.ownKeys(methods))
    Object.defineProperty(object, name, {
      value: methods[name],
      writable: true,
      configurable: true,
      enumerable: false,
    });
};

// What is no digit is left out, also at the end of what is one half of a byte.
const hexadecimal = (text) => {
  let length = 0;
  while (length + 1 < text.length && /^[0-9a-f]{2}$/i.test(text.slice(length, length + 2))) length += 2;
  const made = Buffer.allocUnsafe(length / 2);
  for (let index = 0; index < made.length; index++) made[index] = parseInt(text.slice(2 * index, 2 * index + 2), 16);
  return made;
};

// Bytes of the view, and not of all that it lies in; whether or not it is one of this realm's own classes.
const isBytes = (value) => value instanceof Uint8Array;
const shared = (buffer, offset, length) => plain.from.call(Buffer, buffer, offset, length);

const from = (value, encoding, length) => {
  if (typeof value === "string") {
    if (encoding === undefined || encoding === "" || typeof encoding !== "string")
      return plain.from.call(Buffer, value);
    if (isUrl(encoding)) return plain.from.call(Buffer, toPlain(value), "base64");
    const name = encoding.toLowerCase();
    if (name === "base64") return plain.from.call(Buffer, toPlain(value), "base64");
    if (name === "hex") return hexadecimal(value);
    if (!Buffer.isEncoding(encoding)) throw unknownEncoding(encoding);
    return plain.from.call(Buffer, value, encoding);
  }
  if (value instanceof ArrayBuffer) {
    const offset = encoding === undefined || Number.isNaN(+encoding) ? 0 : +encoding;
    if (offset > value.byteLength) throw outside("offset");
    const room = value.byteLength - offset;
    if (length !== undefined && +length > room) throw outside("length");
    return shared(value, offset, length === undefined ? room : Math.max(0, +length || 0));
  }
  if (typeof value === "object" && value !== null) {
    if (isBytes(value) || Array.isArray(value)) return plain.from.call(Buffer, value);
    const inner = value.valueOf?.();
    if (
      inner !== undefined &&
      inner !== null &&
      inner !== value &&
      (typeof inner === "string" || typeof inner === "object")
    )
      return from(inner, encoding, length);
    if (value.length !== undefined || value.buffer instanceof ArrayBuffer)
      return plain.from.call(Buffer, typeof value.length === "number" ? value : []);
    if (value.type === "Buffer" && Array.isArray(value.data)) return plain.from.call(Buffer, value.data);
    if (typeof value[Symbol.toPrimitive] === "function") {
      const text = value[Symbol.toPrimitive]("string");
      if (typeof text === "string") return from(text, encoding);
    }
  }
  throw wrongType(
    "first argument",
    "of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object",
    value,
  );
};
const outside = (name) => coded(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", `"${name}" is outside of buffer bounds`);

const sized =
  (make) =>
  (size, ...more) => {
    if (typeof size !== "number") throw wrongType("size", "of type number", size);
    if (!(size >= 0 && size <= MOST_BYTES)) throw outOfRange("size", `>= 0 && <= ${MOST_BYTES}`, size);
    return make.call(Buffer, size, ...more);
  };
const unit = (size, name) =>
  function () {
    if (this.length % size !== 0)
      throw coded(RangeError, "ERR_INVALID_BUFFER_SIZE", `Buffer size must be a multiple of ${size * 8}-bits`);
    return plain[name].call(this);
  };
for (const [size, name] of [
  [2, "swap16"],
  [4, "swap32"],
  [8, "swap64"],
]) {
  plain[name] = Buffer.prototype[name];
  define(Buffer.prototype, { [name]: unit(size, name) });
}

const end = (encoding) => (encoding === undefined || encoding === null ? "utf8" : `${encoding}`);
const alloc = (size, fill, encoding) => {
  const made = plain.from.call(Buffer, new ArrayBuffer(size));
  return fill === undefined || fill === 0 ? made : made.fill(fill, encoding);
};
define(Buffer, {
  from,
  of: (...bytes) => from(bytes),
  alloc: sized(alloc),
  allocUnsafe: sized((size) => alloc(size)),
  allocUnsafeSlow: sized((size) => alloc(size)),
  isEncoding: (name) => typeof name === "string" && name.length > 0 && (isUrl(name) || plain.isEncoding(name)),
  byteLength: (value, encoding) => {
    if (typeof value !== "string") {
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
      throw wrongType("string", "of type string or an instance of Buffer or ArrayBuffer", value);
    }
    if (isUrl(encoding) || `${encoding}`.toLowerCase() === "base64") {
      const digits = value.length - (value.endsWith("==") && value.length > 2 ? 2 : value.endsWith("=") ? 1 : 0);
      return Math.floor((digits * 3) / 4);
    }
    return plain.byteLength(value, encoding);
  },
  compare: (first, second) => {
    for (const [name, one] of [
      ["buf1", first],
      ["buf2", second],
    ])
      if (!isBytes(one)) throw wrongType(name, "an instance of Buffer or Uint8Array", one);
    for (let index = 0; index < first.length && index < second.length; index++)
      if (first[index] !== second[index]) return first[index] < second[index] ? -1 : 1;
    return Math.sign(first.length - second.length);
  },
  concat: (list, length) => {
    if (!Array.isArray(list)) throw wrongType("list", "an instance of Array", list);
    for (const [index, one] of list.entries())
      if (!isBytes(one)) throw wrongType(`list[${index}]`, "an instance of Buffer or Uint8Array", one);
    const total = length === undefined ? list.reduce((sum, one) => sum + one.length, 0) : length;
    const made = Buffer.alloc(total);
    let at = 0;
    for (const one of list) {
      const part = one.length > total - at ? one.subarray(0, total - at) : one;
      made.set(part, at);
      at += part.length;
    }
    return made;
  },
  poolSize: 8192,
});
define(Buffer.prototype, {
  toString(encoding, begin, stop) {
    if (arguments.length === 0) return fromUtf8.decode(this);
    const name = end(encoding).toLowerCase();
    if (!Buffer.isEncoding(name)) throw unknownEncoding(encoding);
    if (name === "utf8" || name === "utf-8") {
      const first = Math.max(0, Math.trunc(begin ?? 0) || 0);
      return fromUtf8.decode(Uint8Array.prototype.subarray.call(this, first, Math.max(first, stop ?? this.length)));
    }
    if (name !== "base64url") return plain.toString.call(this, name, begin, stop);
    return plain.toString
      .call(this, "base64", begin, stop)
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
  },
  toLocaleString(...values) {
    return this.toString(...values);
  },
  write(text, offset, length, encoding) {
    if (typeof text !== "string") throw wrongType("argument", "of type string", text);
    if (typeof offset === "string") [offset, length, encoding] = [0, undefined, offset];
    else if (typeof length === "string") [length, encoding] = [undefined, length];
    const begin = offset === undefined ? 0 : offset >>> 0;
    if (offset !== undefined && !(offset >= 0 && offset <= this.length))
      throw outOfRange("offset", `>= 0 && <= ${this.length}`, offset);
    const room = Math.min(this.length - begin, length ?? Infinity);
    const name = end(encoding).toLowerCase();
    if (!Buffer.isEncoding(name)) throw unknownEncoding(encoding);
    if (name === "hex") {
      const taken = hexadecimal(text).subarray(0, room);
      this.set(taken, begin);
      return taken.length;
    }
    if (name.startsWith("base64")) return plain.write.call(this, toPlain(text), begin, room, "base64");
    return plain.write.call(this, text, begin, room, name);
  },
  fill(value, offset, stop, encoding) {
    if (typeof offset === "string") [offset, encoding] = [undefined, offset];
    else if (typeof stop === "string") [stop, encoding] = [undefined, stop];
    const begin = offset ?? 0;
    const last = stop ?? this.length;
    if (begin < 0 || begin > this.length) throw outOfRange("offset", `>= 0 && <= ${this.length}`, begin);
    if (last < 0 || last > this.length) throw outOfRange("end", `>= 0 && <= ${this.length}`, last);
    if (last <= begin) return this;
    let bytes = value;
    if (typeof value === "string") {
      const name = end(encoding);
      if (!Buffer.isEncoding(name)) throw unknownEncoding(encoding);
      bytes = value === "" ? [0] : from(value, name);
    } else if (!isBytes(value)) {
      Uint8Array.prototype.fill.call(this, typeof value === "boolean" ? +value : value & 255, begin, last);
      return this;
    }
    if (bytes.length === 0)
      throw coded(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'value' is invalid. Received '${value}'`);
    for (let index = begin; index < last; index++) this[index] = bytes[(index - begin) % bytes.length];
    return this;
  },
  indexOf(value, offset, encoding) {
    if (typeof offset === "string") [offset, encoding] = [undefined, offset];
    const sought = typeof value === "string" ? from(value, encoding) : value;
    if (isBytes(sought) && sought.length === 0) {
      const at = offset === undefined || Number.isNaN(+offset) ? 0 : Math.trunc(+offset);
      return Math.min(this.length, at < 0 ? Math.max(0, this.length + at) : at);
    }
    return plain.indexOf.call(this, sought, offset);
  },
  lastIndexOf(value, offset, encoding) {
    if (typeof offset === "string") [offset, encoding] = [undefined, offset];
    const sought = typeof value === "string" ? from(value, encoding) : value;
    if (isBytes(sought) && sought.length === 0) {
      const at = offset === undefined || Number.isNaN(+offset) ? this.length : Math.trunc(+offset);
      return Math.min(this.length, at < 0 ? this.length + at : at);
    }
    return plain.lastIndexOf.call(this, sought, offset);
  },
  includes(value, offset, encoding) {
    return this.indexOf(value, offset, encoding) !== -1;
  },
  equals(other) {
    if (!isBytes(other)) throw wrongType("otherBuffer", "an instance of Buffer or Uint8Array", other);
    return this === other || Buffer.compare(this, other) === 0;
  },
  latin1Slice(begin, stop) {
    return this.toString("latin1", begin, stop);
  },
  utf8Slice(begin, stop) {
    return this.toString("utf8", begin, stop);
  },
  hexSlice(begin, stop) {
    return this.toString("hex", begin, stop);
  },
  base64Slice(begin, stop) {
    return this.toString("base64", begin, stop);
  },
  [Symbol.for("nodejs.util.inspect.custom")](depth, options, inspect) {
    const most = module.exports.INSPECT_MAX_BYTES;
    const shown = this.toString("hex", 0, Math.min(most, this.length))
      .replace(/(.{2})/g, "$1 ")
      .trim();
    const more = this.length > most ? ` ... ${this.length - most} more byte${this.length - most > 1 ? "s" : ""}` : "";
    const extra = Object.keys(this).filter((key) => !/^\d+$/.test(key));
    const named = extra.length && inspect ? `, ${extra.map((key) => `${key}: ${inspect(this[key])}`).join(", ")}` : "";
    return `<${this.constructor.name}${shown ? ` ${shown}` : ""}${more}${named}>`;
  },
});
require("./shared/buffer_numbers")(Buffer, define);

const isWellFormed = (bytes) => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};
module.exports = {
  Buffer,
  SlowBuffer: (size) => Buffer.allocUnsafeSlow(size),
  INSPECT_MAX_BYTES: 50,
  kMaxLength: MOST_BYTES,
  kStringMaxLength: 536870888,
  constants: { MAX_LENGTH: MOST_BYTES, MAX_STRING_LENGTH: 536870888 },
  atob: (text) => atob(text),
  btoa: (text) => btoa(text),
  isUtf8: isWellFormed,
  isAscii: (bytes) => bytes.every((byte) => byte < 128),
  transcode: (bytes, first, second) => from(from(bytes).toString(first), second),
  get Blob() {
    return undefined;
  },
  get File() {
    return undefined;
  },
  resolveObjectURL: () => {
    throw unavailable("buffer.resolveObjectURL");
  },
};
