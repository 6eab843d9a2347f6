// Random questions to Intl with this Node's answers, one JSON object a line: { expression, answer }.
// Run: node bench/intl/cases.mjs COUNT [SEED]
import { readdirSync, statSync } from "node:fs";

const [count = "10000", seed = "1"] = process.argv.slice(2);
let state = Number(seed) >>> 0;
// mulberry32: the same cases for the same seed.
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
};
const below = (limit) => Math.floor(random() * limit);
const pick = (list) => list[below(list.length)];
const maybe = (share, value) => (random() < share ? value : undefined);

const LOCALES = ["en-US", "en", "en-GB", "en-CA", "en-AU", "en-IE", "en-NZ", "de", "de-DE", "de-AT", "de-CH"];
LOCALES.push("fr", "fr-FR", "fr-BE", "fr-CA", "fr-CH", "es", "es-ES", "es-MX", "sv-SE");
// From the day on from which tzdata promises to be whole: before it systems differ in what they install.
const FIRST = 0;
const LAST = Date.UTC(2060, 0, 1);
const folder = (path) =>
  readdirSync(`/usr/share/zoneinfo/${path}`).flatMap((name) => {
    const found = path === "" ? name : `${path}/${name}`;
    if (/\.|^leap/.test(name) || /^(posix|right|localtime|posixrules|Factory)$/.test(found)) return [];
    return statSync(`/usr/share/zoneinfo/${found}`).isDirectory() ? folder(found) : [found];
  });
const isKnown = (timeZone) => {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone }));
  } catch {
    return false;
  }
};
// These were zones of their own until tzdata 2024b made links of them, which ICU does not follow.
const CHANGED = ["WET", "CET", "MET", "EET"];
const ZONES = folder("").filter((zone) => isKnown(zone) && !CHANGED.includes(zone));

const instant = () => {
  if (random() < 0.5) return Math.floor(FIRST + random() * (LAST - FIRST));
  // Within an hour of a change of the clocks, mostly.
  const year = 1970 + below(90);
  return Date.UTC(year, pick([2, 3, 8, 9, 10]), 1 + below(31), below(24), below(60), below(60), below(1000));
};

const given = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
const WIDTHS = ["narrow", "short", "long"];
const DIGITS = ["numeric", "2-digit"];
const CYCLES = ["h11", "h12", "h23", "h24"];
const STYLES = ["full", "long", "medium", "short"];

const clock = () => ({
  hour12: maybe(0.25, random() < 0.5),
  hourCycle: maybe(0.15, pick(CYCLES)),
});
const dateOptions = () => {
  const timeZone = pick(ZONES);
  if (random() < 0.2)
    return given({ timeZone, dateStyle: maybe(0.8, pick(STYLES)), timeStyle: maybe(0.6, pick(STYLES)), ...clock() });
  const hour = maybe(0.5, pick(DIGITS));
  const minute = hour && maybe(0.85, pick(DIGITS));
  const second = minute && maybe(0.5, pick(DIGITS));
  return given({
    timeZone,
    weekday: maybe(0.3, pick(WIDTHS)),
    era: maybe(0.05, pick(WIDTHS)),
    year: maybe(0.5, pick(DIGITS)),
    month: maybe(0.5, pick([...DIGITS, ...WIDTHS])),
    day: maybe(0.5, pick(DIGITS)),
    hour,
    minute,
    second,
    fractionalSecondDigits: second && maybe(0.2, 1 + below(3)),
    dayPeriod: hour && maybe(0.1, pick(WIDTHS)),
    timeZoneName: maybe(0.25, pick(["short", "long", "shortOffset", "longOffset"])),
    ...clock(),
  });
};
const json = (value) => JSON.stringify(value);
const arguments_ = (options) => (random() < 0.05 ? json(pick(LOCALES)) : `${json(pick(LOCALES))},${json(options)}`);
const date = () => {
  const options = dateOptions();
  const at = instant();
  // Node 20 itself ends where the Swiss locale is to show an era.
  const locale = () => json(pick(options.era === undefined ? LOCALES : LOCALES.filter((each) => each !== "de-CH")));
  const kind = below(10);
  if (kind < 5) return `new Date(${at}).toLocaleString(${locale()},${json(options)})`;
  if (kind === 5) {
    const { timeStyle, ...rest } = options;
    return `new Date(${at}).toLocaleDateString(${locale()},${json(rest)})`;
  }
  if (kind === 6) {
    const { dateStyle, ...rest } = options;
    return `new Date(${at}).toLocaleTimeString(${locale()},${json(rest)})`;
  }
  if (kind === 7) return `new Intl.DateTimeFormat(${locale()},${json(options)}).formatToParts(${at})`;
  return `new Intl.DateTimeFormat(${locale()},${json(options)}).format(${at})`;
};

const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK", "JPY", "CAD", "KWD", "MXN", "XOF", "PLN", "INR"];
const numeric = () => {
  const size = 10 ** (below(14) - 5);
  const value = pick([random() * size, Math.round(random() * size), Math.round(random() * size * 100) / 100]);
  return json(random() < 0.2 ? -value : value);
};
const number = () => {
  const style = pick([undefined, undefined, undefined, "percent", "currency"]);
  const least = maybe(0.3, below(4));
  const options = given({
    style,
    currency: style === "currency" ? pick(CURRENCIES) : undefined,
    currencyDisplay: style === "currency" ? maybe(0.4, pick(["code", "symbol", "narrowSymbol"])) : undefined,
    minimumFractionDigits: least,
    maximumFractionDigits: least === undefined ? undefined : maybe(0.6, least + below(4)),
    maximumSignificantDigits: maybe(0.1, 1 + below(8)),
    minimumIntegerDigits: maybe(0.1, 1 + below(5)),
    useGrouping: maybe(0.3, pick([true, false, "always", "min2", "auto"])),
    signDisplay: maybe(0.2, pick(["auto", "always", "never", "exceptZero", "negative"])),
    roundingMode: maybe(0.15, pick(["ceil", "floor", "trunc", "expand", "halfEven", "halfExpand", "halfTrunc"])),
  });
  const call = random() < 0.5 ? "toLocaleString" : undefined;
  return call
    ? `(${numeric()}).toLocaleString(${arguments_(options)})`
    : `new Intl.NumberFormat(${arguments_(options)}).formatToParts(${numeric()})`;
};

const LETTERS = [..."aabbcdeEfgGnoOrsSzZ019 -_./äöüßÄÖÜéèêàçñÑáóíúœæåøÅ"];
const word = () => Array.from({ length: 1 + below(6) }, () => pick(LETTERS)).join("");
const variant = (text) => {
  const at = below(text.length);
  const changed = [...text];
  changed[at] = random() < 0.5 ? changed[at].toUpperCase() : pick(LETTERS);
  return changed.join("");
};
const comparison = () => {
  const one = word();
  const other = random() < 0.6 ? variant(one) : word();
  const options = given({
    numeric: maybe(0.4, true),
    sensitivity: maybe(0.5, pick(["base", "accent", "case", "variant"])),
    caseFirst: maybe(0.1, pick(["upper", "lower"])),
    ignorePunctuation: maybe(0.1, true),
  });
  const locale = pick(LOCALES.filter((each) => !each.startsWith("sv")));
  return `${json(one)}.localeCompare(${json(other)}${random() < 0.3 ? "" : `,${json(locale)},${json(options)}`})`;
};

process.env.TZ = "UTC";
const lines = [];
while (lines.length < Number(count)) {
  const kind = random();
  const expression = kind < 0.7 ? date() : kind < 0.88 ? number() : comparison();
  let answer;
  try {
    answer = (0, eval)(expression);
  } catch (error) {
    answer = { throws: error.name };
  }
  lines.push(JSON.stringify({ expression, answer }));
}
process.stdout.write(`${lines.join("\n")}\n`);
