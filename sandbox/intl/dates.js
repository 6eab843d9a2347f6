// Intl.DateTimeFormat, and what Date's toLocale functions are by it. A pattern is text with fields in braces, each named
// in CLDR's letters; which pattern stands for which options is the library's to say.
const DATE = "Intl.DateTimeFormat";
const WIDTHS = ["narrow", "short", "long"];
const DIGITS = ["numeric", "2-digit"];
const FIELDS = [
  ["weekday", WIDTHS],
  ["era", WIDTHS],
  ["year", DIGITS],
  ["month", [...DIGITS, ...WIDTHS]],
  ["day", DIGITS],
  ["dayPeriod", WIDTHS],
  ["hour", DIGITS],
  ["minute", DIGITS],
  ["second", DIGITS],
  ["fractionalSecondDigits", undefined],
  ["timeZoneName", ["short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric"]],
];
const STYLES = ["full", "long", "medium", "short"];
const CYCLES = ["h11", "h12", "h23", "h24"];
const MOST_MILLISECONDS = 8.64e15;
const OF_DATE = ["weekday", "year", "month", "day"];
const OF_TIME = ["dayPeriod", "hour", "minute", "second", "fractionalSecondDigits"];

// ECMA-402 11.1.2, as of 2023. `required` and `defaults` are date, time, any or all.
const readDateOptions = (locales, given, required, defaults) => {
  const resolved = resolveLocale(locales);
  const options = optionsOf(given);
  matcher(DATE, options);
  onlyOne(DATE, options, "calendar", resolved.keys, "ca", "gregory");
  onlyOne(DATE, options, "numberingSystem", resolved.keys, "nu", "latn");
  const hour12 = flagOption(options, "hour12");
  const hourCycle = textOption(DATE, options, "hourCycle", CYCLES);
  const zone = zoneOf(options.timeZone === undefined ? defaultZone() : String(options.timeZone));
  const fields = { __proto__: null };
  for (const [name, values] of FIELDS) {
    const value =
      values === undefined ? numberOption(DATE, options, name, 1, 3) : textOption(DATE, options, name, values);
    if (value !== undefined) fields[name] = value;
  }
  if (fields.timeZoneName?.endsWith("Generic")) throw unavailable(`${DATE}: timeZoneName`, fields.timeZoneName);
  textOption(DATE, options, "formatMatcher", ["basic", "best fit"]);
  const dateStyle = textOption(DATE, options, "dateStyle", STYLES);
  const timeStyle = textOption(DATE, options, "timeStyle", STYLES);
  if (dateStyle !== undefined || timeStyle !== undefined) {
    const [explicit] = Object.keys(fields);
    const style = dateStyle === undefined ? "timeStyle" : "dateStyle";
    if (explicit !== undefined) throw new TypeError(`Can't set option ${explicit} when ${style} is used`);
    if (required === "date" && timeStyle !== undefined) throw new TypeError("Invalid option : timeStyle");
    if (required === "time" && dateStyle !== undefined) throw new TypeError("Invalid option : dateStyle");
  } else {
    const wanted = [...(required === "time" ? [] : OF_DATE), ...(required === "date" ? [] : OF_TIME)];
    if (!wanted.some((name) => fields[name] !== undefined)) {
      if (defaults !== "time") fields.year = fields.month = fields.day = "numeric";
      if (defaults !== "date") fields.hour = fields.minute = fields.second = "numeric";
    }
  }
  const own = look(resolved.data, "cycles");
  let cycle = hourCycle ?? (CYCLES.includes(resolved.keys.hc) ? resolved.keys.hc : undefined);
  if (hour12 !== undefined) cycle = own[hour12 ? 1 : 2];
  const format = { locale: resolved, zone, fields, dateStyle, timeStyle, cycle: cycle ?? own[0] };
  const pattern =
    dateStyle === undefined && timeStyle === undefined
      ? fieldPattern(resolved.data, fields, cycle)
      : stylePattern(resolved.data, dateStyle, timeStyle, cycle);
  format.pattern = pattern.split(/[{}]/);
  format.names = look(resolved.data, "names");
  return format;
};

// h11 and h24 are written as h12 and h23 are, but where the library says otherwise.
const LIKE = { __proto__: null, h11: "h12", h24: "h23" };

// Without a time a cycle is of no account.
const stylePattern = (locale, dateStyle = "none", timeStyle = "none", cycle = "own") => {
  const key = `style/${dateStyle}/${timeStyle}/`;
  return look(locale, key + (timeStyle === "none" ? "own" : cycle)) ?? look(locale, key + LIKE[cycle]);
};

const digitOf = (fields, name, values) => (fields[name] === undefined ? 0 : values.indexOf(fields[name]) + 1);

const ZONE_NAMES = ["short", "long", "shortOffset", "longOffset"];

const fieldPattern = (locale, fields, cycle = "own") => {
  const date = FIELDS.slice(0, 5).map(([name, values]) => digitOf(fields, name, values));
  const clock = ["hour", "minute", "second"].map((name) => digitOf(fields, name, DIGITS));
  const fraction = fields.fractionalSecondDigits === undefined ? 0 : 1;
  const zone = digitOf(fields, "timeZoneName", ZONE_NAMES);
  const period = fields.dayPeriod === undefined ? 0 : 1;
  const ofTime = timePattern(locale, `${clock.join("")}${fraction}`, zone, period, cycle);
  if (date.every((digit) => digit === 0)) return ofTime;
  const key = `date/${date.join("")}`;
  const [alone, glue, before = alone] = look(locale, key);
  if (ofTime !== undefined && date.slice(1).some((digit) => digit > 0)) return before + glue + ofTime;
  // A weekday alone has patterns of its own with a plain time, and with others a glue of its own.
  if (zone + fraction === 0 && ofTime !== undefined) {
    const name = `${key}/${clock.join("")}${period}`;
    const own = look(locale, `${name}/${cycle}`) ?? look(locale, `${name}/${LIKE[cycle]}`);
    if (own) return own;
  }
  const [otherGlue, other] = look(locale, `${key}/more`) ?? [glue, before];
  if (ofTime === undefined) return zone === 0 ? alone : `${alone}${otherGlue}{z}`;
  return other + otherGlue + ofTime;
};

// A zone's other names are mostly where its short one is; and h11 and h24 are mostly written as h12 and h23 are.
const timePattern = (locale, clock, zone, period, cycle) => {
  const cycles = clock[0] === "0" ? [""] : [`/${cycle}`, `/${LIKE[cycle]}`];
  for (const name of zone > 1 ? [zone, 1] : [zone])
    for (const each of cycles) {
      const found = look(locale, `time/${clock}${name}${period}${each}`);
      if (found !== undefined) return found;
    }
  return undefined;
};

// ---- formatting ----

const TYPES = {
  __proto__: null,
  E: "weekday",
  c: "weekday",
  G: "era",
  y: "year",
  M: "month",
  L: "month",
  d: "day",
  a: "dayPeriod",
  B: "dayPeriod",
  h: "hour",
  m: "minute",
  s: "second",
  S: "fractionalSecond",
  z: "timeZoneName",
};

const clockHour = (hour, cycle) => {
  if (cycle === "h23") return hour;
  if (cycle === "h24") return hour || 24;
  return cycle === "h11" ? hour % 12 : hour % 12 || 12;
};

// Noon and midnight are such to the last unit that is shown.
const periodIndex = (format, at) => {
  const exact =
    (!format.pattern.includes("mm") || at.minute === 0) && (!format.pattern.includes("ss") || at.second === 0);
  if (exact && at.hour === 12) return 24;
  return exact && at.hour === 0 ? 25 : at.hour;
};

const PERIODS = { __proto__: null, short: "B", long: "BBBB", narrow: "BBBBB" };

const fieldText = (format, at, token) => {
  const { names } = format;
  const number = (value) => (token.length === 2 ? twoDigits(value) : `${value}`);
  switch (token[0]) {
    case "E":
    case "c":
      return names[token][at.weekday];
    case "G":
      return names[token][at.year > 0 ? 1 : 0];
    case "y": {
      const year = at.year > 0 ? at.year : 1 - at.year;
      return token.length === 2 ? twoDigits(year % 100) : `${year}`;
    }
    case "M":
    case "L":
      return token.length > 2 ? names[token][at.month - 1] : number(at.month);
    case "d":
      return number(at.day);
    case "a":
      return names.a[at.hour < 12 ? 0 : 1];
    case "B":
      return names[PERIODS[format.fields.dayPeriod]][periodIndex(format, at)];
    case "h":
      return number(clockHour(at.hour, format.cycle));
    case "m":
      return number(at.minute);
    case "s":
      return number(at.second);
    case "S":
      return `${at.millisecond + 1000}`.slice(1, 1 + (format.fields.fractionalSecondDigits ?? 3));
    default: {
      const kind = format.fields.timeZoneName ?? (format.timeStyle === "full" ? "long" : "short");
      return zoneName(format.locale.data, format.zone, at.time, at.offset, kind);
    }
  }
};

const dateParts = (format, date) => {
  const time = date === undefined ? now() : Number(date);
  if (!(Math.abs(time) <= MOST_MILLISECONDS)) throw new RangeError("Invalid time value");
  const whole = Math.trunc(time);
  const offset = offsetAt(format.zone, whole);
  const local = whole + offset * 1000;
  const days = Math.floor(local / 86400000);
  const inDay = local - days * 86400000;
  const at = {
    time: whole,
    offset,
    ...dateOf(days),
    hour: Math.floor(inDay / 3600000),
    minute: Math.floor(inDay / 60000) % 60,
    second: Math.floor(inDay / 1000) % 60,
    millisecond: inDay % 1000,
  };
  const parts = [];
  const { pattern } = format;
  for (let index = 0; index < pattern.length; index++) {
    const text = pattern[index];
    if (text === "") continue;
    if (index % 2 === 0) parts.push({ type: "literal", value: text });
    else parts.push({ type: TYPES[text[0]], value: fieldText(format, at, text) });
  }
  return parts;
};

// V8 writes a narrow space as a plain one in a text, and leaves it in parts.
const dateText = (format, date) => joined(dateParts(format, date)).replaceAll("\u202f", " ");

const joined = (parts) => {
  let text = "";
  for (let index = 0; index < parts.length; index++) text += parts[index].value;
  return text;
};

const widthOf = (token) => {
  if (token.length === 1) return TYPES[token] === "weekday" || token === "G" ? "short" : "numeric";
  return ["", "", "2-digit", "short", "long", "narrow"][token.length];
};

const resolvedDateOptions = (format) => {
  const options = {
    locale: format.locale.name,
    calendar: "gregory",
    numberingSystem: "latn",
    timeZone: format.zone.name,
  };
  const fields = { __proto__: null };
  for (let index = 1; index < format.pattern.length; index += 2) {
    const token = format.pattern[index];
    fields[TYPES[token[0]]] = token;
  }
  if (fields.hour !== undefined) {
    options.hourCycle = format.cycle;
    options.hour12 = format.cycle === "h11" || format.cycle === "h12";
  }
  if (format.dateStyle === undefined && format.timeStyle === undefined) {
    for (const [name] of FIELDS) {
      if (name === "fractionalSecondDigits" || name === "timeZoneName" || name === "dayPeriod") {
        if (format.fields[name] !== undefined) options[name] = format.fields[name];
      } else if (fields[name] !== undefined) options[name] = widthOf(fields[name]);
    }
  }
  if (format.dateStyle !== undefined) options.dateStyle = format.dateStyle;
  if (format.timeStyle !== undefined) options.timeStyle = format.timeStyle;
  return options;
};

const dateFormats = new WeakMap();
const dateFormatOf = (self) => {
  const format = dateFormats.get(self);
  if (format === undefined) throw new TypeError(`this is no ${DATE}`);
  return format;
};

class DateTimeFormat {
  constructor(locales, options) {
    dateFormats.set(this, readDateOptions(locales, options, "any", "date"));
  }
  get format() {
    const format = dateFormatOf(this);
    format.bound ??= (date) => dateText(format, date);
    return format.bound;
  }
  formatToParts(date) {
    return dateParts(dateFormatOf(this), date);
  }
  resolvedOptions() {
    return resolvedDateOptions(dateFormatOf(this));
  }
  static supportedLocalesOf(locales) {
    return supportedLocalesOf(locales);
  }
}

const dateToLocale = (time, locales, options, required, defaults) => {
  // Before the date, as ECMA-402 has it: a wrong option is an error of an invalid date as well.
  if (Number.isNaN(time)) return "Invalid Date";
  return dateText(readDateOptions(locales, options, required, defaults), time);
};
