// Time zones: the offset at an instant, from the system's tzdata (RFC 8536), and what the offset is called.
const ZONES_KEPT = 16;
const zones = new Map();
const OFFSET_ZONE = /^([+-])([01]\d|2[0-3]):?([0-5]\d)?$/;
const DAY = 86400;

// IEEE 1003.1 8.3 (TZ), with the extension of RFC 8536 3.3.1 to hours from -167 to 167.
const POSIX_NAME = "(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)";
const POSIX_TIME = "([+-]?\\d{1,3}(?::\\d{2}){0,2})";
const POSIX_DATE = `,(J?\\d+|M\\d+\\.\\d\\.\\d)(?:\\/${POSIX_TIME})?`;
const POSIX = new RegExp(`^${POSIX_NAME}${POSIX_TIME}(?:${POSIX_NAME}${POSIX_TIME}?${POSIX_DATE}${POSIX_DATE})?$`);

const secondsOf = (text) => {
  const [hours, minutes = 0, seconds = 0] = text.replace(/^[+-]/, "").split(":").map(Number);
  const value = hours * 3600 + minutes * 60 + seconds;
  return text[0] === "-" ? -value : value;
};

const readRule = (text) => {
  const match = POSIX.exec(text);
  if (match === null) return undefined;
  const [, standard, summer, begin, beginTime, end, endTime] = match;
  const offset = -secondsOf(standard) + 0;
  if (begin === undefined) return { offset };
  return {
    offset,
    summer: summer === undefined ? offset + 3600 : -secondsOf(summer) + 0,
    begin,
    beginSeconds: beginTime === undefined ? 7200 : secondsOf(beginTime),
    end,
    endSeconds: endTime === undefined ? 7200 : secondsOf(endTime),
  };
};

// Days from 1970-01-01 to a day of the Gregorian calendar, and back.
const daysTo = (year, month, day) => {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719468;
};
const dateOf = (days) => {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9);
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    weekday: (((days + 4) % 7) + 7) % 7,
  };
};

const isLeap = (year) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
const ruleDay = (text, year) => {
  const first = daysTo(year, 1, 1);
  if (text[0] === "J") {
    const day = Number(text.slice(1));
    return first + day - 1 + (isLeap(year) && day >= 60 ? 1 : 0);
  }
  if (text[0] !== "M") return first + Number(text);
  const [month, week, weekday] = text.slice(1).split(".").map(Number);
  const monthBegins = daysTo(year, month, 1);
  const days = (month === 12 ? daysTo(year + 1, 1, 1) : daysTo(year, month + 1, 1)) - monthBegins;
  let day = ((((weekday - dateOf(monthBegins).weekday) % 7) + 7) % 7) + (week - 1) * 7;
  while (day >= days) day -= 7;
  return monthBegins + day;
};

const offsetByRule = (rule, seconds) => {
  if (rule.begin === undefined) return rule.offset;
  const { year } = dateOf(Math.floor((seconds + rule.offset) / DAY));
  const begin = ruleDay(rule.begin, year) * DAY + rule.beginSeconds - rule.offset;
  const end = ruleDay(rule.end, year) * DAY + rule.endSeconds - rule.summer;
  const inSummer = begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end;
  return inSummer ? rule.summer : rule.offset;
};

const offsetAt = (zone, milliseconds) => {
  const { transitions, offsets, rule } = zone;
  const seconds = Math.floor(milliseconds / 1000);
  let low = 0;
  let high = transitions.length;
  if (high === 0 || seconds >= transitions[high - 1]) {
    if (rule !== undefined) return offsetByRule(rule, seconds);
    return offsets[high];
  }
  while (low < high) {
    const middle = (low + high) >> 1;
    if (transitions[middle] <= seconds) low = middle + 1;
    else high = middle;
  }
  return offsets[low];
};

const fixedZone = (text) => {
  const match = OFFSET_ZONE.exec(text);
  if (match === null) return undefined;
  const [, sign, hours, minutes = "00"] = match;
  const offset = (Number(hours) * 3600 + Number(minutes) * 60) * (sign === "-" ? -1 : 1);
  const name = offset === 0 ? "+00:00" : `${sign}${hours}:${minutes}`;
  return { name, transitions: [], offsets: [offset + 0], rule: undefined, periods: [] };
};

const loadZone = (given) => {
  const fixed = fixedZone(given);
  if (fixed !== undefined) return fixed;
  const key = given.toLowerCase();
  const known = /^[a-z0-9_+/-]{1,64}$/.test(key) ? library(`zone/${key}`) : undefined;
  if (known === undefined) {
    const why = library("zone/europe/berlin") === undefined ? "; this machine has no tzdata" : "";
    throw new RangeError(`Invalid time zone specified: ${given}${why}`);
  }
  const [name, number] = JSON.parse(known);
  const [transitions, offsets, rule] = JSON.parse(library(`tzdata/${number}`));
  const periods = library(`names/${key}`);
  return {
    name,
    transitions,
    offsets,
    rule: readRule(rule),
    periods: periods === undefined ? [] : JSON.parse(periods),
  };
};

const zoneOf = (given) => {
  let zone = zones.get(given);
  if (zone === undefined) {
    zone = loadZone(given);
    if (zones.size >= ZONES_KEPT) zones.clear();
    zones.set(given, zone);
  }
  return zone;
};

// The machine's, as Date has it.
const defaultZone = () => JSON.parse(library("local-zone") ?? '"UTC"');

const twoDigits = (value) => (value < 10 ? `0${value}` : `${value}`);

const offsetText = (offset, form) => {
  const [prefix, plus, minus, zero, longZero] = form.signs;
  if (offset === 0) return form.long ? longZero : zero;
  const size = Math.abs(offset);
  const hours = Math.floor(size / 3600);
  const minutes = Math.floor(size / 60) % 60;
  const seconds = size % 60;
  let text = form.long ? twoDigits(hours) : `${hours}`;
  if (form.long || minutes || seconds) text += `:${twoDigits(minutes)}`;
  if (seconds) text += `:${twoDigits(seconds)}`;
  return prefix + (offset < 0 ? minus : plus) + text;
};

const PLAIN = { long: true, signs: ["", "+", "-", "+00:00", "+00:00"] };

const zoneName = (locale, zone, milliseconds, offset, kind) => {
  const form = { long: kind.startsWith("long"), signs: look(locale, "offsets") };
  if (!kind.endsWith("Offset")) {
    const seconds = Math.floor(milliseconds / 1000);
    let called;
    for (const [since, names] of zone.periods) if (since === null || since <= seconds) called = names;
    const number = called?.[offsetText(offset, PLAIN)];
    const name = number === undefined ? undefined : look(locale, `zone/${number}`)?.[form.long ? 1 : 0];
    if (typeof name === "string") return name;
  }
  return offsetText(offset, form);
};
