// Dates, numbers and texts by locale. All of it is loaded when a script first asks: until then a context has only these
// functions and a view of the library, which is the process's memory. No code of the author's ever has that view: its
// elements are read one by one.
const lent = realm.handedOver;
delete realm.handedOver;
const bytes = lent === undefined ? undefined : setPrototypeOf(new Uint8Array(lent), null);
const { fromCharCode } = String;
const { charCodeAt } = String.prototype;
const NEW_LINE = 10;
const TAB = 9;
const COMMA = 44;

const bytesToText = (begin, end) => {
  let made = "";
  let at = begin;
  for (; at + 8 <= end; at += 8)
    made += fromCharCode(
      bytes[at],
      bytes[at + 1],
      bytes[at + 2],
      bytes[at + 3],
      bytes[at + 4],
      bytes[at + 5],
      bytes[at + 6],
      bytes[at + 7],
    );
  for (; at < end; at++) made += fromCharCode(bytes[at]);
  return made;
};

const INDEX_BEGINS = 12; // behind as many digits, which are its length
const lineEnd = (at) => {
  let end = at;
  while (bytes[end] !== NEW_LINE) end++;
  return end;
};
let indexEnd = 0;

// The text behind a key of the library; undefined where there is no such key. The index is sorted, so that it is found by
// bisection: a line begins behind the end of another.
const library = (key) => {
  const wanted = text(key);
  const { length } = wanted;
  indexEnd ||= INDEX_BEGINS + +bytesToText(0, INDEX_BEGINS);
  let low = INDEX_BEGINS;
  let high = indexEnd;
  while (low < high) {
    let begin = (low + high) >> 1;
    while (begin > low && bytes[begin - 1] !== NEW_LINE) begin--;
    let index = 0;
    while (index < length && bytes[begin + index] === apply(charCodeAt, wanted, [index])) index++;
    const found = bytes[begin + index];
    if (index === length && found === TAB) {
      let comma = begin + length + 1;
      while (bytes[comma] !== COMMA) comma++;
      return bytesToText(+bytesToText(begin + length + 1, comma), +bytesToText(comma + 1, lineEnd(comma)));
    }
    if (index < length && found < apply(charCodeAt, wanted, [index])) low = lineEnd(begin + index) + 1;
    else high = begin;
  }
  return undefined;
};

let loaded;
let make; // of the library's code, evaluated from bytecode for a program whose text names what is in it
const international = () => {
  if (loaded === undefined) {
    if (bytes === undefined) throw new NativeError("Intl is not available with this build of the engine");
    make ??= evaluate(parse(library("code")));
    loaded = make(library, () => realm.Date.now());
  }
  return loaded;
};
const expectIntl = (evaluated) => {
  make = evaluated;
};

const method = (prototype, name, value) =>
  defineProperty(prototype, name, { __proto__: null, value, writable: true, configurable: true, enumerable: false });

const { getTime } = Date.prototype;
const dates = {
  toLocaleString(locales, options) {
    return international().dateToLocale(apply(getTime, this, []), locales, options, "any", "all");
  },
  toLocaleDateString(locales, options) {
    return international().dateToLocale(apply(getTime, this, []), locales, options, "date", "date");
  },
  toLocaleTimeString(locales, options) {
    return international().dateToLocale(apply(getTime, this, []), locales, options, "time", "time");
  },
};
for (const name of ["toLocaleString", "toLocaleDateString", "toLocaleTimeString"])
  method(Date.prototype, name, dates[name]);

const { valueOf: numberValue } = Number.prototype;
const { valueOf: bigIntValue } = BigInt.prototype;
const numbers = {
  ofNumber: {
    toLocaleString(locales, options) {
      return international().numberToLocale(apply(numberValue, this, []), locales, options);
    },
  },
  ofBigInt: {
    toLocaleString(locales, options) {
      return international().numberToLocale(apply(bigIntValue, this, []), locales, options);
    },
  },
};
method(Number.prototype, "toLocaleString", numbers.ofNumber.toLocaleString);
method(BigInt.prototype, "toLocaleString", numbers.ofBigInt.toLocaleString);

// The engine's own do not pass the locales on.
const lists = {
  toLocaleString(locales, options) {
    let made = "";
    const { length } = this;
    for (let index = 0; index < length; index++) {
      const value = this[index];
      if (index > 0) made += ",";
      if (value !== undefined && value !== null) made += value.toLocaleString(locales, options);
    }
    return made;
  },
};
method(Array.prototype, "toLocaleString", lists.toLocaleString);
method(getPrototypeOf(Int8Array.prototype), "toLocaleString", lists.toLocaleString);

// The order of ASCII in every locale here: letters first, then lower before upper case. Sorting by names of gateways and
// countries needs no more.
const ASCII = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ";
const FIRST_LETTER = 43;
let asciiWeights;
const weighAscii = () => {
  asciiWeights = bareArray();
  for (let code = 0; code < 128; code++) put(asciiWeights, 0);
  for (let index = 0; index < ASCII.length; index++) {
    // Twice a letter's place, and one more for its upper case.
    const place = index < FIRST_LETTER ? 2 * (index + 1) : index + FIRST_LETTER + 2;
    asciiWeights[apply(charCodeAt, ASCII, [index])] = place;
  }
};
// Undefined where one of the two has more than ASCII.
const compareAscii = (one, other) => {
  if (asciiWeights === undefined) weighAscii();
  const { length } = one;
  const { length: otherLength } = other;
  const shorter = length < otherLength ? length : otherLength;
  let letters = 0;
  let cases = 0;
  for (let index = 0; index < shorter; index++) {
    const first = asciiWeights[apply(charCodeAt, one, [index])];
    const second = asciiWeights[apply(charCodeAt, other, [index])];
    if (!first || !second) return undefined;
    if (first === second || letters !== 0) continue;
    if (first >> 1 !== second >> 1) letters = first < second ? -1 : 1;
    else if (cases === 0) cases = first < second ? -1 : 1;
  }
  const longer = length < otherLength ? other : one;
  for (let index = shorter; index < longer.length; index++)
    if (!asciiWeights[apply(charCodeAt, longer, [index])]) return undefined;
  if (letters !== 0) return letters;
  if (length !== otherLength) return length < otherLength ? -1 : 1;
  return cases;
};

const { toLowerCase, toUpperCase } = String.prototype;
const texts = {
  localeCompare(other, locales, options) {
    if (this === undefined || this === null) throw new NativeTypeError("localeCompare is asked of nothing");
    const one = text(this);
    const second = text(other);
    if (one === second && options === undefined && locales === undefined) return 0;
    const plain = options === undefined && locales === undefined ? compareAscii(one, second) : undefined;
    return plain === undefined ? international().localeCompare(one, second, locales, options) : plain;
  },
  toLocaleLowerCase(locales) {
    if (locales !== undefined) international().checkCaseLocale(locales);
    return apply(toLowerCase, this, []);
  },
  toLocaleUpperCase(locales) {
    if (locales !== undefined) international().checkCaseLocale(locales);
    return apply(toUpperCase, this, []);
  },
};
for (const name of ["localeCompare", "toLocaleLowerCase", "toLocaleUpperCase"])
  method(String.prototype, name, texts[name]);

defineProperty(realm, "Intl", {
  __proto__: null,
  get: () => international().Intl,
  set: (value) => define("Intl", value),
  configurable: true,
  enumerable: false,
});
