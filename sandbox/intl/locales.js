// Which locales there are, and how an option is read. `library` gives a text by its key, or undefined.
const available = JSON.parse(library("parents")); // each with the one that has what it has not
const DEFAULT_LOCALE = "en-US";
const same = JSON.parse(library("same")); // other names of these
const TAG =
  /^([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?((?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*)((?:-[a-z0-9](?:-[a-z0-9]{2,8})+)*)$/;

const unavailable = (what, value) => new RangeError(`${what}: '${value}' is not available`);

// A locale in its usual spelling, and the keys of its -u- extension.
const readTag = (tag) => {
  const match = TAG.exec(tag.toLowerCase());
  if (match === null) throw new RangeError(`Incorrect locale information provided: '${tag}'`);
  const [, language, script, region, , extensions] = match;
  const keys = { __proto__: null };
  const unicode = /-u((?:-[a-z0-9]{2,8})+)/.exec(extensions);
  let key;
  for (const word of unicode === null ? [] : unicode[1].slice(1).split("-")) {
    if (word.length === 2) keys[(key = word)] ??= "";
    else if (key !== undefined) keys[key] += (keys[key] && "-") + word;
  }
  const name = [language, script && script[0].toUpperCase() + script.slice(1), region?.toUpperCase()];
  return { name: name.filter((part) => part !== undefined).join("-"), keys };
};

const tagsOf = (locales) => {
  if (locales === undefined) return [];
  if (typeof locales === "string") return [locales];
  if (locales === null) throw new TypeError("Cannot convert undefined or null to object");
  return Array.from(Object(locales), (tag) => {
    if (typeof tag !== "string" && (typeof tag !== "object" || tag === null))
      throw new TypeError("Incorrect locale information provided");
    return String(tag);
  });
};

const dataName = (name) => (Object.hasOwn(available, name) ? name : Object.hasOwn(same, name) ? same[name] : undefined);

const whichAreThere = () => Object.keys(available).join(", ");

// The first of the locales that there is; one that nobody asked for is taken only where nobody asked for any.
const resolveLocale = (locales) => {
  const tags = tagsOf(locales);
  for (const tag of tags) {
    const { name, keys } = readTag(tag);
    const data = dataName(name);
    if (data !== undefined) return { name, data, keys };
  }
  if (tags.length === 0) return { name: DEFAULT_LOCALE, data: DEFAULT_LOCALE, keys: { __proto__: null } };
  throw new RangeError(`the locale '${tags[0]}' is not available; there are ${whichAreThere()}`);
};

const supportedLocalesOf = (locales) =>
  tagsOf(locales)
    .map((tag) => readTag(tag).name)
    .filter((name) => dataName(name) !== undefined);

const LINES_KEPT = 64;
const lines = new Map();

const look = (locale, key) => {
  const asked = `${locale}/${key}`;
  let line = lines.get(asked);
  if (line === undefined) {
    line = readLine(locale, key);
    if (lines.size >= LINES_KEPT) lines.clear();
    lines.set(asked, line);
  }
  return line;
};

const readLine = (locale, key) => {
  for (let data = locale; data; data = available[data]) {
    const found = library(`${data}/${key}`);
    if (found !== undefined) return JSON.parse(found);
  }
  return undefined;
};

const optionsOf = (options) => {
  if (options === undefined) return { __proto__: null };
  if (options === null) throw new TypeError("Cannot convert undefined or null to object");
  return Object(options);
};

// ECMA-402 9.2.11 GetOption
const textOption = (what, options, name, values, fallback) => {
  const given = options[name];
  if (given === undefined) return fallback;
  const value = String(given);
  if (values !== undefined && !values.includes(value))
    throw new RangeError(`Value ${value} out of range for ${what} options property ${name}`);
  return value;
};
const flagOption = (options, name) => (options[name] === undefined ? undefined : Boolean(options[name]));
const numberOption = (what, options, name, least, most, fallback) => {
  const given = options[name];
  if (given === undefined) return fallback;
  const value = Number(given);
  if (!(value >= least && value <= most)) throw new RangeError(`${name} value is out of range.`);
  return Math.floor(value);
};

// What every locale has in only one way here: another is refused, where ECMA-402 would pass it over.
const onlyOne = (what, options, name, keys, key, only) => {
  const value = textOption(what, options, name) ?? (keys[key] || only);
  if (value !== only) throw unavailable(`${what}: ${name}`, value);
};
const matcher = (what, options) => textOption(what, options, "localeMatcher", ["lookup", "best fit"], "best fit");
