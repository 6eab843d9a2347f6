// As Node's: not as URLSearchParams, which takes + for a space in what it writes.
const HEXADECIMAL = "0123456789ABCDEF";
const UNESCAPED = /[A-Za-z0-9\-_.!~*'()]/;
const { coded } = require("./shared/errors");

const escape = (given) => {
  const text = typeof given === "string" ? given : typeof given === "object" ? String(given) : `${given}`;
  let made = "";
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) {
      made += UNESCAPED.test(text[index]) ? text[index] : `%${HEXADECIMAL[code >> 4]}${HEXADECIMAL[code & 15]}`;
    } else if (code < 0xd800 || code >= 0xe000) {
      made += encodeURIComponent(text[index]);
    } else {
      // Whatever follows the first half of a pair is taken for the second.
      index++;
      if (index >= text.length) throw coded(URIError, "ERR_INVALID_URI", "URI malformed");
      const point = 0x10000 + (((code & 0x3ff) << 10) | (text.charCodeAt(index) & 0x3ff));
      for (const byte of [
        0xf0 | (point >> 18),
        0x80 | ((point >> 12) & 63),
        0x80 | ((point >> 6) & 63),
        0x80 | (point & 63),
      ])
        made += `%${HEXADECIMAL[byte >> 4]}${HEXADECIMAL[byte & 15]}`;
    }
  }
  return made;
};

const digit = (code) => {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 65 && code <= 70) return code - 55;
  return code >= 97 && code <= 102 ? code - 87 : -1;
};
const unescapeBuffer = (text, decodesSpaces = false) => {
  const { Buffer } = require("buffer");
  const made = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    let code = text.charCodeAt(index);
    if (code === 43 && decodesSpaces) code = 32;
    else if (code === 37 && index + 2 < text.length) {
      const high = digit(text.charCodeAt(index + 1));
      const low = digit(text.charCodeAt(index + 2));
      if (high >= 0 && low >= 0) {
        code = high * 16 + low;
        index += 2;
      }
    }
    made[length++] = code;
  }
  return made.slice(0, length);
};
const unescape = (text, decodesSpaces) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return unescapeBuffer(text, decodesSpaces).toString();
  }
};

const primitive = (value) => {
  if (typeof value === "string") return value;
  if (typeof value === "number" && isFinite(value)) return `${value}`;
  if (typeof value === "bigint" || typeof value === "boolean") return `${value}`;
  return "";
};
const stringify = (given, separator = "&", equals = "=", options) => {
  const encode = options?.encodeURIComponent ?? module.exports.escape;
  if (given === null || typeof given !== "object") return "";
  const pairs = [];
  for (const key of Object.keys(given)) {
    const name = encode(primitive(key)) + (equals || "=");
    const values = Array.isArray(given[key]) ? given[key] : [given[key]];
    for (const value of values) pairs.push(name + encode(primitive(value)));
  }
  return pairs.join(separator || "&");
};

const decoded = (text, decode) => {
  try {
    return decode(text);
  } catch {
    return unescape(text, true);
  }
};
const ENCODED = /%[0-9a-f]{2}/i;
const MOST_KEYS = 1000;
const parse = (text, separator = "&", equals = "=", options) => {
  const found = { __proto__: null };
  if (typeof text !== "string" || text.length === 0) return found;
  const custom = options?.decodeURIComponent;
  const decode = custom ?? module.exports.unescape;
  const most = typeof options?.maxKeys === "number" ? options.maxKeys : MOST_KEYS;
  const between = `${separator || "&"}`;
  const sign = `${equals || "="}`;
  let taken = 0;
  for (const part of text.split(between)) {
    if (most > 0 && taken >= most) break;
    taken++; // also one that is empty
    if (part === "") continue;
    const at = part.indexOf(sign);
    const [name, value] = (at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + sign.length)]).map((one) => {
      const spaced = one.replaceAll("+", custom ? "%20" : " ");
      return custom || ENCODED.test(spaced) ? decoded(spaced, decode) : spaced;
    });
    if (!(name in found)) found[name] = value;
    else if (Array.isArray(found[name])) found[name].push(value);
    else found[name] = [found[name], value];
  }
  return found;
};

module.exports = { escape, unescape, unescapeBuffer, stringify, encode: stringify, parse, decode: parse };
