// Dates, numbers and texts by locale. All of it is loaded when a script first asks: until then a context has only these
// functions and a view of the library, which is the process's memory. No code of the author's ever has that view: its
// elements are read one by one.
const bytes = setPrototypeOf(new Uint8Array(native.library), null);
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
    make ??= evaluate(parse(library("code")));
    loaded = make(library, () => realm.Date.now());
  }
  return loaded;
};
const expectIntl = (evaluated) => {
  make = evaluated;
};

// By assigning: they are there already, and to define them anew costs a context 13 kB more.
const method = (prototype, name, value) => {
  prototype[name] = value;
};

// A method of this name, by what the international part makes of the value that it is asked of.
const localized = (prototype, name, valueOf, made) => {
  method(
    prototype,
    name,
    {
      [name](locales, options) {
        return made(apply(valueOf, this, []), locales, options);
      },
    }[name],
  );
};
const ofDate = (required, defaults) => (time, locales, options) =>
  international().dateToLocale(time, locales, options, required, defaults);
const ofNumber = (value, locales, options) => international().numberToLocale(value, locales, options);
const { getTime } = Date.prototype;
localized(Date.prototype, "toLocaleString", getTime, ofDate("any", "all"));
localized(Date.prototype, "toLocaleDateString", getTime, ofDate("date", "date"));
localized(Date.prototype, "toLocaleTimeString", getTime, ofDate("time", "time"));
localized(Number.prototype, "toLocaleString", Number.prototype.valueOf, ofNumber);
localized(BigInt.prototype, "toLocaleString", BigInt.prototype.valueOf, ofNumber);

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

const texts = {
  localeCompare(other, locales, options) {
    if (this === undefined || this === null) throw new NativeTypeError("localeCompare is asked of nothing");
    return international().localeCompare(text(this), text(other), locales, options);
  },
};
method(String.prototype, "localeCompare", texts.localeCompare);
const inCase = (name, change) => {
  method(
    String.prototype,
    name,
    {
      [name](locales) {
        if (locales !== undefined) international().checkCaseLocale(locales);
        return apply(change, this, []);
      },
    }[name],
  );
};
inCase("toLocaleLowerCase", String.prototype.toLowerCase);
inCase("toLocaleUpperCase", String.prototype.toUpperCase);

defineProperty(realm, "Intl", {
  __proto__: null,
  get: () => international().Intl,
  set: (value) => define("Intl", value),
  configurable: true,
  enumerable: false,
});
