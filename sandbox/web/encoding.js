// Texts as bytes, and back (the Encoding Standard).
const REPLACEMENT = 0xfffd;

const encodeInto = (text, target) => {
  let read = 0;
  let written = 0;
  while (read < text.length) {
    let point = text.charCodeAt(read);
    let units = 1;
    if (point >= 0xd800 && point <= 0xdfff) {
      const next = read + 1 < text.length ? text.charCodeAt(read + 1) : 0;
      if (point <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + (next - 0xdc00);
        units = 2;
      } else point = REPLACEMENT;
    }
    const bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (written + bytes > target.length) break;
    if (bytes === 1) target[written++] = point;
    else {
      target[written++] = (bytes === 2 ? 0xc0 : bytes === 3 ? 0xe0 : 0xf0) | (point >> (6 * (bytes - 1)));
      for (let left = bytes - 2; left >= 0; left--) target[written++] = 0x80 | ((point >> (6 * left)) & 0x3f);
    }
    read += units;
  }
  return { read, written };
};

const utf8 = (text) => {
  const bytes = new Uint8Array(text.length * 3);
  return bytes.slice(0, encodeInto(text, bytes).written);
};

class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(text = "") {
    return utf8(String(text));
  }
  encodeInto(text, target) {
    if (!(target instanceof Uint8Array)) throw new TypeError("encodeInto needs a Uint8Array");
    return encodeInto(String(text), target);
  }
}

const bytesOf = (source) => {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  throw new TypeError("bytes are needed: an ArrayBuffer, or an array of bytes");
};

const ENCODINGS = {
  __proto__: null,
  "utf-8": ["utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8"],
  "utf-16le": ["utf-16le", "utf-16", "ucs-2", "unicode", "csunicode", "iso-10646-ucs-2", "unicodefeff"],
  "windows-1252": ["windows-1252", "latin1", "iso-8859-1", "iso8859-1", "ascii", "us-ascii", "l1", "cp1252"],
};
// Of windows-1252 what is not Latin-1, from 0x80 on.
const WINDOWS =
  "\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f" +
  "\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178";
const CODES = 4096; // in one call

class TextDecoder {
  #encoding;
  #fatal;
  #ignoreMark;
  #left = []; // bytes of a character that has not all come
  #begun = false;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    const wanted = String(label).trim().toLowerCase();
    this.#encoding = Object.keys(ENCODINGS).find((name) => ENCODINGS[name].includes(wanted));
    if (this.#encoding === undefined)
      throw new RangeError(`the encoding ${label} is not available: ${Object.keys(ENCODINGS).join(", ")}`);
    this.#fatal = !!fatal;
    this.#ignoreMark = !!ignoreBOM;
  }
  get encoding() {
    return this.#encoding;
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreMark;
  }
  decode(source, { stream = false } = {}) {
    let bytes = source === undefined ? new Uint8Array(0) : bytesOf(source);
    if (this.#left.length) {
      const joined = new Uint8Array(this.#left.length + bytes.length);
      joined.set(this.#left);
      joined.set(bytes, this.#left.length);
      bytes = joined;
    }
    this.#left = [];
    let text = DECODE[this.#encoding](
      bytes,
      stream,
      () => {
        if (this.#fatal) throw new TypeError(`the bytes are no ${this.#encoding}`);
      },
      (left) => {
        this.#left = left;
      },
    );
    if (!this.#begun && text.length) {
      this.#begun = true;
      if (!this.#ignoreMark && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (!stream) this.#begun = false;
    return text;
  }
}

const collected = () => {
  let text = "";
  let codes = [];
  const flush = () => {
    text += String.fromCharCode(...codes);
    codes = [];
    return text;
  };
  const add = (code) => {
    codes.push(code);
    if (codes.length >= CODES) flush();
  };
  return { add, flush };
};

const DECODE = {
  __proto__: null,
  "windows-1252": (bytes) => {
    const { add, flush } = collected();
    for (const byte of bytes) add(byte >= 0x80 && byte < 0xa0 ? WINDOWS.charCodeAt(byte - 0x80) : byte);
    return flush();
  },
  "utf-16le": (bytes, stream, wrong, keep) => {
    const { add, flush } = collected();
    let high = 0;
    let place = 0;
    for (; place + 1 < bytes.length; place += 2) {
      const unit = bytes[place] | (bytes[place + 1] << 8);
      if (high && unit >= 0xdc00 && unit <= 0xdfff) {
        add(high);
        add(unit);
        high = 0;
        continue;
      }
      if (high) {
        wrong();
        add(REPLACEMENT);
        high = 0;
      }
      if (unit >= 0xd800 && unit <= 0xdbff) high = unit;
      else if (unit >= 0xdc00 && unit <= 0xdfff) {
        wrong();
        add(REPLACEMENT);
      } else add(unit);
    }
    const left = [...(high ? [high & 255, high >> 8] : []), ...bytes.subarray(place)];
    if (stream) keep(left);
    else if (left.length) {
      wrong();
      add(REPLACEMENT);
    }
    return flush();
  },
  "utf-8": (bytes, stream, wrong, keep) => {
    const { add, flush } = collected();
    const { length } = bytes;
    let place = 0;
    while (place < length) {
      const first = bytes[place];
      if (first < 0x80) {
        add(first);
        place++;
        continue;
      }
      const more =
        first >= 0xc2 && first <= 0xdf
          ? 1
          : first >= 0xe0 && first <= 0xef
            ? 2
            : first >= 0xf0 && first <= 0xf4
              ? 3
              : 0;
      // Of what follows only the first byte has other bounds.
      let lower = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
      let upper = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
      let point = more === 1 ? first & 0x1f : more === 2 ? first & 0xf : first & 7;
      let taken = 1;
      while (taken <= more && place + taken < length) {
        const byte = bytes[place + taken];
        if (byte < lower || byte > upper) break;
        [lower, upper] = [0x80, 0xbf];
        point = (point << 6) | (byte & 0x3f);
        taken++;
      }
      if (more && taken <= more && place + taken === length && stream) {
        keep([...bytes.subarray(place)]);
        return flush();
      }
      place += taken;
      if (!more || taken <= more) {
        wrong();
        add(REPLACEMENT);
      } else if (point >= 0x10000) {
        add(0xd800 + ((point - 0x10000) >> 10));
        add(0xdc00 + ((point - 0x10000) & 0x3ff));
      } else add(point);
    }
    return flush();
  },
};

const fromUtf8 = (bytes) => DECODE["utf-8"](bytes, false, () => {});
for (const Class of [TextEncoder, TextDecoder]) found[Class.name] = finish(Class);
