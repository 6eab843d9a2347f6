// Writes what sandbox/intl knows of languages, taken from this Node's ICU: patterns, names, symbols, an order of letters.
// One line each, `key<TAB>JSON`, sorted. Run: node bench/intl/locales.mjs > sandbox/intl/locales.tsv
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

// A locale and the one whose entries stand for those that it has not.
const PARENTS = {
  "en-US": "",
  "en-CA": "en-US",
  "en-GB": "",
  "en-AU": "en-GB",
  "en-IE": "en-GB",
  "en-NZ": "en-GB",
  de: "",
  "de-AT": "de",
  "de-CH": "de",
  fr: "",
  "fr-BE": "fr",
  "fr-CA": "fr",
  "fr-CH": "fr",
  es: "",
  "es-MX": "es",
  sv: "",
};
// Other names of these.
const SAME = { en: "en-US", "de-DE": "de", "fr-FR": "fr", "es-ES": "es", "sv-SE": "sv" };
const LOCALES = Object.keys(PARENTS);
const entries = new Map();
const put = (key, value) => entries.set(key, JSON.stringify(value).replace(/[\u007f-\uffff]/g, escape16));
const escape16 = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

// V8 11.3 ends in "unreachable code" where these are to show an era; the parent's patterns stand for theirs.
const CRASHING = new Set(["de-CH"]);

const WEEKDAY = [undefined, "narrow", "short", "long"];
const YEAR = [undefined, "numeric", "2-digit"];
const MONTH = [undefined, "numeric", "2-digit", "narrow", "short", "long"];
const ZONE_NAMES = [undefined, "short", "long", "shortOffset", "longOffset"];
const CYCLES = ["h11", "h12", "h23", "h24"];
const STYLES = [undefined, "full", "long", "medium", "short"];
const range = (count) => [...Array(count).keys()];

const parts = (locale, options, date) =>
  new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options }).formatToParts(date);
const valueOf = (locale, options, date, type) => parts(locale, options, date).find((part) => part.type === type)?.value;

const names = (locale) => {
  const month = (width, more) =>
    range(12).map((index) => valueOf(locale, { month: width, ...more }, Date.UTC(2004, index, 5), "month"));
  const weekday = (width, more) =>
    range(7).map((index) => valueOf(locale, { weekday: width, ...more }, Date.UTC(2004, 1, 1 + index), "weekday"));
  const dated = { year: "numeric", month: "numeric", day: "numeric" };
  const era = (width) =>
    [-1000, 2004].map((year) =>
      valueOf(locale, { era: width, year: "numeric" }, new Date(Date.UTC(year, 1, 5)), "era"),
    );
  const hours = (type, more) =>
    range(24).map((hour) => valueOf(locale, { hour: "numeric", ...more }, Date.UTC(2004, 1, 5, hour, 30), type));
  const period = (width) => {
    const options = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h12", dayPeriod: width };
    const at = (hour, minute, second) =>
      valueOf(locale, options, Date.UTC(2004, 1, 5, hour, minute, second), "dayPeriod");
    // The last two are those of noon and midnight to the second.
    return [...range(24).map((hour) => at(hour, 30, 30)), at(12, 0, 0), at(0, 0, 0)];
  };
  const halves = hours("dayPeriod", { hourCycle: "h12" });
  return {
    MMMM: month("long", { day: "numeric" }),
    LLLL: month("long"),
    MMM: month("short", { day: "numeric" }),
    LLL: month("short"),
    MMMMM: month("narrow", { day: "numeric" }),
    LLLLL: month("narrow"),
    EEEE: weekday("long", dated),
    cccc: weekday("long"),
    E: weekday("short", dated),
    ccc: weekday("short"),
    EEEEE: weekday("narrow", dated),
    ccccc: weekday("narrow"),
    GGGG: era("long"),
    G: era("short"),
    GGGGG: era("narrow"),
    a: [halves[0], halves[23]],
    B: period("short"),
    BBBB: period("long"),
    BBBBB: period("narrow"),
  };
};

// Two days whose months' spellings tell most, so that a pattern shows which of them it uses.
const probesOf = (known) => {
  const forms = ["MMMM", "LLLL", "MMM", "LLL", "MMMMM", "LLLLL"];
  const told = (one, other) => new Set(forms.map((form) => `${known[form][one]}|${known[form][other]}`)).size;
  const pairs = range(12).flatMap((one) => range(12).map((other) => [one, other]));
  const best = pairs.reduce((best, pair) => (told(...pair) > told(...best) ? pair : best), [1, 1]);
  return best.map((month) => new Date(Date.UTC(2004, month, 5, 3, 7, 9, 45)));
};

// A pattern in the letters of CLDR, each in braces.
const patternOf = (locale, known, dates, options) => {
  const [found, second] = dates.map((date) => parts(locale, options, date));
  const token = ({ type, value }, index) => {
    const one = (letters, key) =>
      letters.find(
        (each) => known[each][key(dates[0])] === value && known[each][key(dates[1])] === second[index].value,
      );
    switch (type) {
      case "weekday":
        return one(order(options.weekday, "E", "c"), (date) => date.getUTCDay());
      case "era":
        return one(options.era === "narrow" ? ["GGGGG", "G", "GGGG"] : ["G", "GGGG", "GGGGG"], () => 1);
      case "year":
        return value === "2004" ? "y" : "yy";
      case "month":
        if (/^\d/.test(value)) return value === String(dates[0].getUTCMonth() + 1) && value.length === 1 ? "M" : "MM";
        return one(order(options.month, "M", "L"), (date) => date.getUTCMonth());
      case "day":
        return value.length === 1 ? "d" : "dd";
      case "hour":
        return value.length === 1 ? "h" : "hh";
      case "minute":
        return value.length === 1 ? "m" : "mm";
      case "second":
        return value.length === 1 ? "s" : "ss";
      case "fractionalSecond":
        return "S";
      case "timeZoneName":
        return "z";
      case "dayPeriod":
        return options.dayPeriod !== undefined && known.a[0] !== value ? "B" : "a";
      default:
        return undefined;
    }
  };
  const written = (part, index) => {
    if (part.type === "literal") return part.value;
    const letters = token(part, index);
    if (letters === undefined) throw new Error(`${locale}: ${part.type} ${part.value} is in no list`);
    return `{${letters}}`;
  };
  return found.map(written).join("");
};
// The spellings of a name, the width that was asked for first: other widths may look the same.
const order = (width, format, standalone) => {
  const letters = [4, 3, 5].flatMap((count) =>
    [format, standalone].map((letter) => (letter === "E" && count === 3 ? "E" : letter.repeat(count))),
  );
  return width === "narrow" ? [...letters.slice(4), ...letters.slice(0, 4)] : letters;
};

const given = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

const datePatterns = (locale, known, dates) => {
  const pattern = (options) => patternOf(locale, known, dates, options);
  const time = { hour: "numeric", minute: "numeric" };
  const ofTime = pattern(time);
  for (const [w, weekday] of WEEKDAY.entries())
    for (const [e, era] of WEEKDAY.entries())
      for (const [y, year] of YEAR.entries())
        for (const [m, month] of MONTH.entries())
          for (const [d, day] of YEAR.entries()) {
            const options = given({ weekday, era, year, month, day });
            if (Object.keys(options).length === 0 || (era !== undefined && CRASHING.has(locale))) continue;
            const both = pattern({ ...options, ...time });
            if (!both.endsWith(ofTime)) throw new Error(`${locale}: ${both} does not end in the time`);
            const before = both.slice(0, -ofTime.length);
            const alone = pattern(options);
            const end = before.lastIndexOf("}") + 1;
            const key = `${locale}/date/${w}${e}${y}${m}${d}`;
            // Some are another before a time: an era alone is shown with a whole date, but for there.
            if (before.startsWith(alone)) put(key, [alone, before.slice(alone.length)]);
            else put(key, [alone, before.slice(end), before.slice(0, end)]);
            if (e + y + m + d > 0) continue;
            // A weekday and a plain time have patterns of their own; with more they have a glue of their own.
            const more = pattern({ weekday, hour: "numeric", minute: "numeric", timeZoneName: "short" });
            const ofDate = more.slice(0, more.indexOf("{h"));
            const last = ofDate.lastIndexOf("}") + 1;
            put(`${key}/more`, [ofDate.slice(last), ofDate.slice(0, last)]);
            for (const [h, hour] of YEAR.entries())
              for (const [n, minute] of YEAR.entries())
                for (const [s, second] of YEAR.entries())
                  for (const [p, dayPeriod] of [undefined, "short"].entries())
                    for (const hourCycle of [undefined, ...CYCLES]) {
                      if (h === 0) continue;
                      const clock = given({ hour, minute, second, dayPeriod, hourCycle });
                      const found = pattern({ weekday, ...clock });
                      const name = `${h}${n}${s}${p}/${hourCycle ?? "own"}`;
                      put(`${key}/${name}`, found === ofDate + pattern(clock) ? 0 : found);
                    }
          }
};

const timePatterns = (locale, known, dates) => {
  const pattern = (options) => patternOf(locale, known, dates, options);
  for (const [h, hour] of YEAR.entries())
    for (const [m, minute] of YEAR.entries())
      for (const [s, second] of YEAR.entries())
        for (const [f, fractionalSecondDigits] of [undefined, 3].entries())
          for (const [z, timeZoneName] of ZONE_NAMES.entries())
            for (const [p, dayPeriod] of [undefined, "short"].entries())
              for (const [c, hourCycle] of [undefined, ...CYCLES].entries()) {
                const options = given({ hour, minute, second, fractionalSecondDigits, timeZoneName, dayPeriod });
                const key = `${locale}/time/${h}${m}${s}${f}${z}${p}`;
                // The cycle is of no account where there is no hour.
                if (h + m + s + f + p === 0 || (h === 0 && c > 0)) continue;
                const found = pattern(given({ ...options, hourCycle }));
                put(h === 0 ? key : `${key}/${hourCycle ?? "own"}`, found);
              }
};

const styles = (locale, known, dates) => {
  for (const dateStyle of STYLES)
    for (const timeStyle of STYLES)
      for (const hourCycle of [undefined, ...CYCLES]) {
        const options = given({ dateStyle, timeStyle, hourCycle });
        if ((dateStyle ?? timeStyle) === undefined || (hourCycle !== undefined && timeStyle === undefined)) continue;
        const found = patternOf(locale, known, dates, options);
        put(`${locale}/style/${dateStyle ?? "none"}/${timeStyle ?? "none"}/${hourCycle ?? "own"}`, found);
      }
};

const cycles = (locale) => {
  const resolved = (options) =>
    new Intl.DateTimeFormat(locale, { hour: "numeric", ...options }).resolvedOptions().hourCycle;
  return [resolved({}), resolved({ hour12: true }), resolved({ hour12: false })];
};

const offsets = (locale) => {
  const zone = (timeZone, timeZoneName, date = Date.UTC(2024, 0, 1)) =>
    valueOf(locale, { timeZone, timeZoneName }, date, "timeZoneName");
  const plus = /^(.*?)(\D)5:30$/.exec(zone("Asia/Kolkata", "shortOffset"));
  const minus = /^(.*?)(\D)3:30$/.exec(zone("America/St_Johns", "shortOffset"));
  return [plus[1], plus[2], minus[2], zone("Africa/Abidjan", "shortOffset"), zone("Africa/Abidjan", "longOffset")];
};

// ---- names of time zones ----

const ROOT = "/usr/share/zoneinfo";
const zonesBelow = (folder) =>
  readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (/^(posix|right|localtime|posixrules|Factory)$/.test(name) || /\.|^leap/.test(name)) return [];
    return statSync(join(ROOT, path)).isDirectory() ? zonesBelow(path) : [path];
  });

const zoneNames = () => {
  const sets = new Map();
  const firstDay = Date.UTC(1900, 0, 1);
  const months = range(12 * 140).map((month) => Date.UTC(1900, month, 1));
  for (const timeZone of zonesBelow("")) {
    let offset, long;
    try {
      offset = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
      long = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "long" });
    } catch {
      continue;
    }
    const name = (format, time) => format.formatToParts(time).find((part) => part.type === "timeZoneName").value;
    const both = (time) => `${name(offset, time)}|${name(long, time)}`;
    const formats = LOCALES.map((locale) =>
      ["short", "long"].map((timeZoneName) => new Intl.DateTimeFormat(locale, { timeZone, timeZoneName })),
    );
    const setAt = (time) => {
      if (/^GMT([+-]|$)/.test(name(long, time))) return -1;
      const texts = JSON.stringify(formats.map((pair) => pair.map((format) => name(format, time))));
      if (!sets.has(texts)) sets.set(texts, sets.size);
      return sets.get(texts);
    };
    // What each offset is called, and since when it is called something else.
    const periods = [[null, {}]];
    let before = firstDay;
    for (const month of months) {
      const now = both(month);
      if (month !== firstDay && now === both(before)) {
        before = month;
        continue;
      }
      let from = before;
      let to = month;
      while (to - from > 1000) {
        const middle = Math.floor((from + to) / 2000) * 1000;
        if (both(middle) === now) to = middle;
        else from = middle;
      }
      const set = setAt(month);
      const key = name(offset, month).slice(3) || "+00:00";
      const [, current] = periods.at(-1);
      if (current[key] === undefined) current[key] = set;
      else if (current[key] !== set) periods.push([to / 1000, { [key]: set }]);
      before = month;
    }
    for (const period of periods)
      for (const key of Object.keys(period[1])) if (period[1][key] === -1) delete period[1][key];
    if (periods.some(([, called]) => Object.keys(called).length > 0)) put(`names/${timeZone.toLowerCase()}`, periods);
  }
  const isOffset = (text) => /^(GMT|UTC|UT)[+\u2212-]/.test(text);
  for (const [texts, number] of sets)
    for (const [index, pair] of JSON.parse(texts).entries())
      // Short names of most are the offset, which is written where there is none.
      put(`${LOCALES[index]}/zone/${number}`, isOffset(pair[0]) ? [null, pair[1]] : pair);
};

// ---- numbers ----

const numbers = (locale) => {
  const made = (value, options) => new Intl.NumberFormat(locale, options).formatToParts(value);
  const of = (type, value, options) => made(value, options).find((part) => part.type === type)?.value ?? "";
  const NUMBER = new Set(["integer", "group", "decimal", "fraction"]);
  const pattern = (value, options) =>
    made(value, options)
      .map(({ type, value: text }) => (NUMBER.has(type) ? "{n}" : type === "literal" ? text : `{${type}}`))
      .join("")
      .replace(/(\{n\})+/, "{n}");
  const signs = (options) => [
    pattern(1, options),
    pattern(-1, options),
    pattern(1, { ...options, signDisplay: "always" }),
  ];
  const currency = (currencyDisplay, code) => signs({ style: "currency", currency: code, currencyDisplay });
  const group = { useGrouping: true };
  put(`${locale}/numbers`, {
    decimal: of("decimal", 1.5),
    group: of("group", 1234567, group),
    least: made(1234).some((part) => part.type === "group") ? 1 : 2,
    indian:
      made(1234567)
        .filter((part) => part.type === "integer")
        .map((part) => part.value)
        .join() === "12,34,567",
    minus: of("minusSign", -1),
    plus: of("plusSign", 1, { signDisplay: "always" }),
    nan: of("nan", NaN),
    infinity: of("infinity", Infinity),
    percentSign: of("percentSign", 1, { style: "percent" }),
    decimals: signs({}),
    percent: signs({ style: "percent" }),
    symbol: currency("narrowSymbol", "USD"),
    code: currency("code", "USD"),
    currencyDecimal: of("decimal", 1.5, { style: "currency", currency: "EUR" }),
    currencyGroup: of("group", 1234567, { style: "currency", currency: "EUR", ...group }),
  });
  const symbols = {};
  for (const code of Intl.supportedValuesOf("currency")) {
    const [symbol, narrow] = ["symbol", "narrowSymbol"].map((currencyDisplay) =>
      of("currency", 1, { style: "currency", currency: code, currencyDisplay }),
    );
    if (symbol !== code || narrow !== code) symbols[code] = narrow === symbol ? [symbol] : [symbol, narrow];
  }
  put(`${locale}/currencies`, symbols);
};

const currencyDigits = () => {
  const digits = {};
  for (const code of Intl.supportedValuesOf("currency")) {
    const { maximumFractionDigits } = new Intl.NumberFormat("en", {
      style: "currency",
      currency: code,
    }).resolvedOptions();
    if (maximumFractionDigits !== 2) digits[code] = maximumFractionDigits;
  }
  put("currency-digits", digits);
  put("currency-codes", Intl.supportedValuesOf("currency").join(" "));
};

// ---- the order of letters ----

// Latin, Greek, Cyrillic, punctuation, signs. Accents are looked at after normalisation, so the letters that have a
// decomposition are not here.
const RANGES = [
  [0x20, 0x7e],
  [0xa0, 0x17f],
  [0x180, 0x24f],
  [0x300, 0x345],
  [0x370, 0x3ff],
  [0x400, 0x45f],
  [0x2010, 0x2027],
  [0x2030, 0x205e],
  [0x20a0, 0x20c0],
  [0x2100, 0x214f],
  [0x2190, 0x21ff],
  [0x1e9e, 0x1e9e],
];
const orderOfLetters = () => {
  const characters = [];
  for (const [first, last] of RANGES)
    for (let code = first; code <= last; code++) {
      const character = String.fromCharCode(code);
      if (/\p{Cn}|\p{Cc}|\p{Cf}|\p{M}/u.test(character) || character.normalize("NFD") !== character) continue;
      characters.push(character);
    }
  const collator = (sensitivity) => new Intl.Collator("en", { sensitivity });
  const [base, accent, full] = ["base", "accent", "variant"].map(collator);
  characters.sort((one, other) => full.compare(one, other) || (one < other ? -1 : 1));
  // Groups of the same letter; within one, of the same but for its case.
  const groups = [];
  for (const character of characters) {
    const last = groups.at(-1);
    if (last === undefined || base.compare(last[0][0], character) !== 0) groups.push([[character]]);
    else if (accent.compare(last.at(-1)[0], character) !== 0) last.push([character]);
    else last.at(-1).push(character);
  }
  // Letters that count as two or three, as ß does, with how far they differ from these.
  const letters = range(26).map((index) => String.fromCharCode(97 + index));
  const pairs = letters.flatMap((one) => letters.map((other) => one + other));
  const expansions = {};
  for (const character of characters.filter((each) => /\p{L}/u.test(each))) {
    const pair = pairs.find((each) => base.compare(each, character) === 0);
    if (pair !== undefined) {
      const isUpper = character !== character.toLowerCase();
      expansions[character] = [pair, accent.compare(pair, character) === 0 ? 0 : 1, isUpper ? 3 : 2];
    }
  }
  put("expansions", expansions);
  put(
    "order",
    groups.map((group) => (group.length === 1 ? group[0].join("") : group.map((same) => same.join("")))),
  );
  const marks = range(0x46)
    .map((code) => String.fromCharCode(0x300 + code))
    .filter((mark) => mark.normalize("NFD") === mark);
  marks.sort((one, other) => full.compare(`a${one}`, `a${other}`));
  put("marks", marks.join(""));
  put(
    "ignorable",
    characters.filter((each) => new Intl.Collator("en", { ignorePunctuation: true }).compare(each, "") === 0).join(""),
  );
};

for (const locale of LOCALES) {
  const known = names(locale);
  const dates = probesOf(known);
  put(`${locale}/names`, known);
  put(`${locale}/cycles`, cycles(locale));
  put(`${locale}/offsets`, offsets(locale));
  datePatterns(locale, known, dates);
  timePatterns(locale, known, dates);
  styles(locale, known, dates);
  numbers(locale);
}
zoneNames();
currencyDigits();
orderOfLetters();
// Some stand for others that are mostly the same: h12 for h11, h23 for h24, a zone's short name for its others. What a
// locale does not have is looked for in its parent, so one that stands for another does so in a whole family.
const STANDS_FOR = [
  [/\/h11$/, "/h12"],
  [/\/h24$/, "/h23"],
  [/(\/time\/\d{4})[234]/, "$11"],
];
const familyOf = (locale) => LOCALES.filter((each) => (PARENTS[each] || each) === (PARENTS[locale] || locale));
// What is as the rule has it needs no entry of its own, where no other of the family has one.
for (const [key, value] of [...entries])
  if (value === "0") {
    const locale = key.split("/")[0];
    const inFamily = familyOf(locale).map((each) => each + key.slice(locale.length));
    if (inFamily.every((each) => (entries.get(each) ?? "0") === "0")) for (const each of inFamily) entries.delete(each);
  }
for (const [one, other] of STANDS_FOR)
  for (const key of [...entries.keys()]) {
    const locale = key.split("/")[0];
    const inFamily = one.test(key) ? familyOf(locale).map((each) => each + key.slice(locale.length)) : [];
    if (inFamily.length > 0 && inFamily.every((each) => entries.get(each) === entries.get(each.replace(one, other))))
      for (const each of inFamily) entries.delete(each);
  }
put("parents", PARENTS);
put("same", SAME);
put("made-by", { node: process.versions.node, icu: process.versions.icu, cldr: process.versions.cldr });
for (const [locale, parent] of Object.entries(PARENTS))
  if (parent !== "")
    for (const [key, value] of entries)
      if (key.startsWith(`${locale}/`) && entries.get(parent + key.slice(locale.length)) === value) entries.delete(key);
process.stdout.write(
  [...entries]
    .map(([key, value]) => `${key}\t${value}\n`)
    .sort()
    .join(""),
);
