// Hosts of URLs, and what of a URL is written with a percent sign (the URL Standard, 1.3 and 3.5).
const between = (low, high) => (code) => code >= low && code <= high;
const isDigit = between(48, 57);
const isLetter = (code) => (code | 32) >= 97 && (code | 32) <= 122;
const isHex = (code) => isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 102);

// Sets of what is encoded: characters of ASCII; what is not ASCII is in each of them, and so are controls.
const FRAGMENT = ' "<>`';
const QUERY = ' "#<>';
const SPECIAL_QUERY = `${QUERY}'`;
const PATH = `${QUERY}?^\`{}`;
const USERINFO = `${PATH}/:;=@[\\]|`;
const COMPONENT = `${USERINFO}$%&+,`;
const FORM = `${COMPONENT}!'()~`;

const percent = (byte) => `%${byte < 16 ? "0" : ""}${byte.toString(16).toUpperCase()}`;
const percentEncoded = (text, set) => {
  let made = "";
  for (const character of text) {
    const code = character.codePointAt(0);
    if (code > 0x1f && code < 0x7f && !set.includes(character)) made += character;
    else for (const byte of utf8(character)) made += percent(byte);
  }
  return made;
};
const percentDecoded = (text) => {
  const bytes = utf8(text);
  const made = [];
  for (let place = 0; place < bytes.length; place++) {
    if (bytes[place] === 37 && isHex(bytes[place + 1]) && isHex(bytes[place + 2])) {
      made.push(parseInt(String.fromCharCode(bytes[place + 1], bytes[place + 2]), 16));
      place += 2;
    } else made.push(bytes[place]);
  }
  return Uint8Array.from(made);
};

// RFC 3492.
const punycode = (label) => {
  const points = [...label].map((one) => one.codePointAt(0));
  let made = points
    .filter((one) => one < 128)
    .map((one) => String.fromCharCode(one))
    .join("");
  const basic = made.length;
  let done = basic;
  if (basic) made += "-";
  let [least, delta, bias] = [128, 0, 72];
  while (done < points.length) {
    const next = Math.min(...points.filter((one) => one >= least));
    delta += (next - least) * (done + 1);
    least = next;
    for (const point of points) {
      if (point < least) delta++;
      if (point !== least) continue;
      let rest = delta;
      for (let base = 36; ; base += 36) {
        const threshold = base <= bias ? 1 : base >= bias + 26 ? 26 : base - bias;
        if (rest < threshold) break;
        const digit = threshold + ((rest - threshold) % (36 - threshold));
        made += String.fromCharCode(digit < 26 ? digit + 97 : digit + 22);
        rest = Math.floor((rest - threshold) / (36 - threshold));
      }
      made += String.fromCharCode(rest < 26 ? rest + 97 : rest + 22);
      let adapted = done === basic ? Math.floor(delta / 700) : delta >> 1;
      adapted += Math.floor(adapted / (done + 1));
      let steps = 0;
      for (; adapted > 455; steps += 36) adapted = Math.floor(adapted / 35);
      bias = steps + Math.floor((36 * adapted) / (adapted + 38));
      delta = 0;
      done++;
    }
    delta++;
    least++;
  }
  return `xn--${made}`;
};

const FORBIDDEN_HOST = /[\0\t\n\r #/:<>?@[\\\]^|]/;
const FORBIDDEN_DOMAIN = /[\0-\x20#%/:<>?@[\\\]^|\x7f]/;
// Soft hyphens and the like are in no name; other dots are dots (UTS 46).
const domainToAscii = (domain) => {
  const mapped = domain
    .normalize("NFKC")
    .toLowerCase()
    .normalize("NFC")
    .replace(/[\u00ad\u200b\u2060\ufeff\ufe00-\ufe0f]/g, "")
    .replace(/[\u3002\uff0e\uff61]/g, ".");
  if (mapped.includes("\ufffd")) return undefined;
  const labels = mapped.split(".").map((label) => (/^[\0-\x7f]*$/.test(label) ? label : punycode(label)));
  const made = labels.join(".");
  return made === "" || FORBIDDEN_DOMAIN.test(made) ? undefined : made;
};

const ipv4Number = (text) => {
  if (text === "") return undefined;
  let [digits, base] = [text, 10];
  if (/^0x/i.test(text)) [digits, base] = [text.slice(2), 16];
  else if (text.length > 1 && text[0] === "0") [digits, base] = [text.slice(1), 8];
  if (digits === "") return 0;
  const allowed = base === 16 ? /^[0-9a-f]+$/i : base === 8 ? /^[0-7]+$/ : /^[0-9]+$/;
  return allowed.test(digits) ? parseInt(digits, base) : undefined;
};
const endsInNumber = (host) => {
  const parts = host.split(".");
  if (parts.at(-1) === "" && parts.length > 1) parts.pop();
  const last = parts.at(-1);
  return /^[0-9]+$/.test(last) || /^0x[0-9a-f]*$/i.test(last);
};
const ipv4 = (host) => {
  const parts = host.split(".");
  if (parts.at(-1) === "" && parts.length > 1) parts.pop();
  const numbers = parts.map(ipv4Number);
  if (parts.length > 4 || numbers.includes(undefined)) return undefined;
  if (numbers.slice(0, -1).some((one) => one > 255) || numbers.at(-1) >= 256 ** (5 - numbers.length)) return undefined;
  let value = numbers.at(-1);
  numbers.slice(0, -1).forEach((one, index) => (value += one * 256 ** (3 - index)));
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
};

const ipv6 = (text) => {
  const pieces = [0, 0, 0, 0, 0, 0, 0, 0];
  let [piece, compress, place] = [0, -1, 0];
  if (text[0] === ":") {
    if (text[1] !== ":") return undefined;
    [place, piece, compress] = [2, 1, 1];
  }
  while (place < text.length) {
    if (piece === 8) return undefined;
    if (text[place] === ":") {
      if (compress >= 0) return undefined;
      place++;
      compress = ++piece;
      continue;
    }
    let [value, length] = [0, 0];
    while (length < 4 && isHex(text.charCodeAt(place))) {
      value = value * 16 + parseInt(text[place++], 16);
      length++;
    }
    if (text[place] === ".") {
      if (length === 0 || piece > 6) return undefined;
      place -= length;
      let seen = 0;
      while (place < text.length) {
        if (seen > 0) {
          if (text[place] !== "." || seen >= 4) return undefined;
          place++;
        }
        const digits = /^(0|[1-9][0-9]{0,2})(?![0-9])/.exec(text.slice(place));
        if (digits === null || +digits[0] > 255) return undefined;
        pieces[piece] = pieces[piece] * 256 + +digits[0];
        place += digits[0].length;
        if (++seen === 2 || seen === 4) piece++;
      }
      if (seen !== 4) return undefined;
      break;
    }
    if (text[place] === ":") {
      if (++place === text.length) return undefined;
    } else if (place < text.length) return undefined;
    pieces[piece++] = value;
  }
  if (compress >= 0) {
    let swaps = piece - compress;
    for (piece = 7; piece !== 0 && swaps > 0; piece--, swaps--) {
      const other = compress + swaps - 1;
      [pieces[piece], pieces[other]] = [pieces[other], pieces[piece]];
    }
  } else if (piece !== 8) return undefined;
  return pieces;
};
const ipv6Text = (pieces) => {
  let [begin, longest] = [-1, 1];
  for (let first = 0; first < 8; first++) {
    let end = first;
    while (end < 8 && pieces[end] === 0) end++;
    if (end - first > longest) [begin, longest] = [first, end - first];
  }
  let made = "";
  for (let index = 0; index < 8; index++) {
    if (index === begin) {
      made += index === 0 ? "::" : ":";
      index += longest - 1;
      continue;
    }
    made += pieces[index].toString(16) + (index < 7 ? ":" : "");
  }
  return made;
};

// The host that a text is, as it is written; undefined where it is none.
const parseHost = (text, special) => {
  if (text[0] === "[") {
    const pieces = text.endsWith("]") ? ipv6(text.slice(1, -1)) : undefined;
    return pieces && `[${ipv6Text(pieces)}]`;
  }
  if (!special) return FORBIDDEN_HOST.test(text) ? undefined : percentEncoded(text, "");
  const domain = domainToAscii(fromUtf8(percentDecoded(text)));
  if (domain === undefined) return undefined;
  return endsInNumber(domain) ? ipv4(domain) : domain;
};
