// Intl.Collator and localeCompare: letters first, then accents, then upper and lower case (Unicode Technical Standard 10),
// for Latin, Greek, Cyrillic, punctuation and signs; other characters stand behind these by their numbers.
const COLLATOR = "Intl.Collator";
const OTHER = 1e5; // a weight above those of the library's letters
const MARK = /^\p{M}$/u;
const UPPER = /^\p{Lu}$/u;

let weights; // of a character: letter, accent and case in one number
let expansions; // of a character that counts as several
let marks; // of a combining mark, at the second level
let ignorable;

// A letter's place has room between it and the next for those that a language puts there.
const LETTER = 10_000;
const ACCENT = 100;
const letterOf = (weight) => Math.floor(weight / LETTER);
const accentOf = (weight) => Math.floor(weight / ACCENT) % 100;
const caseOf = (weight) => weight % ACCENT;

const loadOrder = () => {
  weights = new Map();
  for (const [letter, group] of JSON.parse(library("order")).entries())
    for (const [accent, same] of (typeof group === "string" ? [group] : group).entries())
      for (const [index, character] of Array.from(same).entries())
        weights.set(character, (letter + 1) * 10 * LETTER + accent * ACCENT + index);
  expansions = new Map();
  for (const [character, [text, accent, index]] of Object.entries(JSON.parse(library("expansions")))) {
    weights.delete(character);
    expansions.set(
      character,
      Array.from(text, (one) => weights.get(one) + accent * ACCENT + index),
    );
  }
  marks = new Map(Array.from(JSON.parse(library("marks")), (mark, index) => [mark, 10 + index]));
  ignorable = new Set(JSON.parse(library("ignorable")));
};

// Letters of their own, each behind another, with what is only an accent's difference from it.
const TAILORED = {
  __proto__: null,
  es: [["n", ["\u00f1\u00d1"]]],
  sv: [["z", ["\u00e5\u00c5"], ["\u00e4\u00c4", "\u00e6\u00c6"], ["\u00f6\u00d6", "\u00f8\u00d8"]]],
};

const tailoringOf = (language) => {
  const tailored = new Map();
  for (const [after, ...letters] of TAILORED[language] ?? [])
    for (const [index, letter] of letters.entries())
      for (const [accent, same] of letter.entries())
        for (const [inCase, character] of Array.from(same).entries()) {
          tailored.set(character, weights.get(after) + (index + 1) * LETTER + accent * ACCENT + inCase);
        }
  return tailored;
};

// What one text is compared by, level by level.
const keysOf = (collator, text) => {
  const letters = [];
  const accents = [];
  const cases = [];
  const uppers = [];
  const add = (weight, character) => {
    letters.push(letterOf(weight));
    accents.push(accentOf(weight));
    cases.push(caseOf(weight));
    uppers.push(UPPER.test(character) ? 1 : 0);
  };
  let number = "";
  const endNumber = () => {
    if (number === "") return;
    // By length and then digit by digit is by value; behind the punctuation, where digits are.
    const digits = number.replace(/^0+(?=.)/, "");
    add(weights.get("0"), "0");
    letters.push(digits.length);
    for (const digit of digits) letters.push(Number(digit));
    number = "";
  };
  const one = (character) => {
    if (collator.ignorePunctuation && ignorable.has(character)) return;
    const weight = weights.get(character);
    if (weight !== undefined) add(weight, character);
    else if (expansions.has(character)) for (const part of expansions.get(character)) add(part, character);
    else if (MARK.test(character)) accents.push(marks.get(character) ?? OTHER + character.codePointAt(0));
    // Control characters weigh nothing.
    else if (!/^[\p{Cc}\p{Cf}]$/u.test(character) || /^[\t-\r\u0085]$/.test(character))
      add((OTHER + character.codePointAt(0)) * LETTER, character);
  };
  for (const character of text.normalize("NFC")) {
    if (collator.numeric && character >= "0" && character <= "9") {
      number += character;
      continue;
    }
    endNumber();
    const own = collator.tailored.get(character);
    if (own !== undefined) add(own, character);
    else if (character < "\u0080") one(character);
    else for (const part of character.normalize("NFD")) one(part);
  }
  endNumber();
  return { letters, accents: collator.backwards ? accents.reverse() : accents, cases, uppers };
};

const compareLists = (one, other) => {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index++)
    if (one[index] !== other[index]) return one[index] < other[index] ? -1 : 1;
  return Math.sign(one.length - other.length);
};

const LEVELS = {
  __proto__: null,
  base: ["letters"],
  accent: ["letters", "accents"],
  case: ["letters", "uppers"],
  variant: ["letters", "accents", "cases"],
};

const compareTexts = (collator, one, other) => {
  if (one === other) return 0;
  const first = keysOf(collator, one);
  const second = keysOf(collator, other);
  for (const level of LEVELS[collator.sensitivity]) {
    const result = compareLists(first[level], second[level]);
    if (result !== 0)
      return (level === "cases" || level === "uppers") && collator.caseFirst === "upper" ? -result : result;
  }
  return 0;
};

const readCollatorOptions = (locales, given) => {
  if (weights === undefined) loadOrder();
  const resolved = resolveLocale(locales);
  const options = optionsOf(given);
  const usage = textOption(COLLATOR, options, "usage", ["sort", "search"], "sort");
  matcher(COLLATOR, options);
  onlyOne(COLLATOR, options, "collation", resolved.keys, "co", "default");
  const { kn, kf } = resolved.keys;
  const language = resolved.data.split("-")[0];
  if (usage === "search" && (language === "de" || language === "sv"))
    throw unavailable(`${COLLATOR}: usage in the locale '${resolved.name}'`, usage);
  return {
    locale: resolved,
    usage,
    numeric: flagOption(options, "numeric") ?? (kn !== undefined && kn !== "false"),
    caseFirst: textOption(COLLATOR, options, "caseFirst", ["upper", "lower", "false"], kf || "false"),
    sensitivity: textOption(COLLATOR, options, "sensitivity", ["base", "accent", "case", "variant"], "variant"),
    ignorePunctuation: flagOption(options, "ignorePunctuation") ?? false,
    tailored: tailoringOf(language),
    backwards: resolved.data === "fr-CA",
  };
};

const collators = new WeakMap();
const collatorOf = (self) => {
  const collator = collators.get(self);
  if (collator === undefined) throw new TypeError(`this is no ${COLLATOR}`);
  return collator;
};

class Collator {
  constructor(locales, options) {
    collators.set(this, readCollatorOptions(locales, options));
  }
  get compare() {
    const collator = collatorOf(this);
    collator.bound ??= (one, other) => compareTexts(collator, String(one), String(other));
    return collator.bound;
  }
  resolvedOptions() {
    const { locale, usage, sensitivity, ignorePunctuation, numeric, caseFirst } = collatorOf(this);
    return { locale: locale.name, usage, sensitivity, ignorePunctuation, collation: "default", numeric, caseFirst };
  }
  static supportedLocalesOf(locales) {
    return supportedLocalesOf(locales);
  }
}

// The order of ASCII is the same in every locale here: letters first, then lower before upper case. Sorting by names of
// gateways and countries needs no more.
const ASCII = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ";
const FIRST_LETTER = 43;
let asciiWeights; // of a character's number: twice its place, and one more for an upper case
const weighAscii = () => {
  asciiWeights = new Uint8Array(128);
  for (let index = 0; index < ASCII.length; index++)
    asciiWeights[ASCII.charCodeAt(index)] = index < FIRST_LETTER ? 2 * (index + 1) : index + FIRST_LETTER + 2;
};
// Undefined where one of the two has more than ASCII.
const compareAscii = (one, other) => {
  if (asciiWeights === undefined) weighAscii();
  const shorter = Math.min(one.length, other.length);
  let letters = 0;
  let cases = 0;
  for (let index = 0; index < shorter; index++) {
    const first = asciiWeights[one.charCodeAt(index)];
    const second = asciiWeights[other.charCodeAt(index)];
    if (!first || !second) return undefined;
    if (first === second || letters !== 0) continue;
    if (first >> 1 !== second >> 1) letters = first < second ? -1 : 1;
    else if (cases === 0) cases = first < second ? -1 : 1;
  }
  const longer = one.length < other.length ? other : one;
  for (let index = shorter; index < longer.length; index++)
    if (!asciiWeights[longer.charCodeAt(index)]) return undefined;
  if (letters !== 0) return letters;
  return one.length === other.length ? cases : Math.sign(one.length - other.length);
};

// Sorting a list asks for the same collator again and again.
let plainCollator;
const collatorFor = (locales, options) => {
  if (options !== undefined || (locales !== undefined && typeof locales !== "string"))
    return readCollatorOptions(locales, options);
  if (plainCollator === undefined || plainCollator.asked !== locales)
    plainCollator = { asked: locales, collator: readCollatorOptions(locales, undefined) };
  return plainCollator.collator;
};
const localeCompare = (one, other, locales, options) => {
  const plain = options === undefined && locales === undefined ? compareAscii(one, other) : undefined;
  return plain === undefined ? compareTexts(collatorFor(locales, options), one, other) : plain;
};

// Turkish, Azeri and Lithuanian have rules of their own for the dot of the i; Greek drops accents.
const OWN_CASES = ["tr", "az", "lt", "el"];
const checkCaseLocale = (locales) => {
  const [tag] = tagsOf(locales);
  if (tag !== undefined && OWN_CASES.includes(readTag(tag).name.split("-")[0]))
    throw new RangeError(`upper and lower case of the locale '${tag}' are not available`);
};
