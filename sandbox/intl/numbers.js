// Intl.NumberFormat: decimals, percents and sums of money. Digits are those of the shortest decimal that is the number.
const NUMBER = "Intl.NumberFormat";
const ROUNDINGS = ["ceil", "floor", "expand", "trunc", "halfCeil", "halfFloor", "halfExpand", "halfTrunc", "halfEven"];

// ECMA-402 15.1.2 and 15.1.3, as of 2023.
const readNumberOptions = (locales, given) => {
  const resolved = resolveLocale(locales);
  const options = optionsOf(given);
  const text = (name, values, fallback) => textOption(NUMBER, options, name, values, fallback);
  const refuse = (name, values, only) => {
    const value = text(name, values, only);
    if (value !== only) throw unavailable(`${NUMBER}: ${name}`, value);
  };
  matcher(NUMBER, options);
  onlyOne(NUMBER, options, "numberingSystem", resolved.keys, "nu", "latn");
  const style = text("style", ["decimal", "percent", "currency", "unit"], "decimal");
  if (style === "unit") throw unavailable(`${NUMBER}: style`, style);
  const currency = text("currency")?.toUpperCase();
  if (currency !== undefined && !/^[A-Z]{3}$/.test(currency))
    throw new RangeError("Invalid currency code : " + currency);
  if (style === "currency" && currency === undefined)
    throw new TypeError("Currency code is required with currency style.");
  const currencyDisplay = text("currencyDisplay", ["code", "symbol", "narrowSymbol", "name"], "symbol");
  if (currencyDisplay === "name") throw unavailable(`${NUMBER}: currencyDisplay`, "name");
  refuse("currencySign", ["standard", "accounting"], "standard");
  refuse("notation", ["standard", "scientific", "engineering", "compact"], "standard");
  refuse("roundingPriority", ["auto", "morePrecision", "lessPrecision"], "auto");
  if (options.roundingIncrement !== undefined && Number(options.roundingIncrement) !== 1)
    throw unavailable(`${NUMBER}: roundingIncrement`, options.roundingIncrement);
  const format = {
    locale: resolved,
    style,
    currency: style === "currency" ? currency : undefined,
    currencyDisplay,
    roundingMode: text("roundingMode", ROUNDINGS, "halfExpand"),
    trailingZeroDisplay: text("trailingZeroDisplay", ["auto", "stripIfInteger"], "auto"),
    useGrouping: readGrouping(options),
    signDisplay: text("signDisplay", ["auto", "never", "always", "exceptZero", "negative"], "auto"),
    symbols: look(resolved.data, "numbers"),
  };
  readDigits(format, options, currency);
  if (style === "currency") format.symbol = currencySymbol(resolved.data, currency, currencyDisplay);
  return format;
};

const readGrouping = (options) => {
  const value = options.useGrouping;
  if (value === undefined) return "auto";
  if (value === true) return "always";
  if (!value) return false;
  const word = String(value);
  if (word === "true" || word === "false") return "auto";
  return textOption(NUMBER, options, "useGrouping", ["min2", "auto", "always"]);
};

const readDigits = (format, options, currency) => {
  const number = (name, least, most, fallback) => numberOption(NUMBER, options, name, least, most, fallback);
  const money = format.style === "currency" ? (JSON.parse(library("currency-digits"))[currency] ?? 2) : undefined;
  const leastDefault = money ?? 0;
  const mostDefault = money ?? (format.style === "percent" ? 0 : 3);
  format.minimumIntegerDigits = number("minimumIntegerDigits", 1, 21, 1);
  if (options.minimumSignificantDigits !== undefined || options.maximumSignificantDigits !== undefined) {
    format.minimumSignificantDigits = number("minimumSignificantDigits", 1, 21, 1);
    format.maximumSignificantDigits = number("maximumSignificantDigits", format.minimumSignificantDigits, 21, 21);
    return;
  }
  let least = number("minimumFractionDigits", 0, 20);
  let most = number("maximumFractionDigits", 0, 20);
  if (least === undefined && most === undefined) [least, most] = [leastDefault, mostDefault];
  else if (least === undefined) least = Math.min(leastDefault, most);
  else if (most === undefined) most = Math.max(mostDefault, least);
  else if (least > most) throw new RangeError("maximumFractionDigits value is out of range.");
  format.minimumFractionDigits = least;
  format.maximumFractionDigits = most;
};

const currencySymbol = (locale, currency, display) => {
  if (display === "code") return currency;
  const [symbol, narrow = symbol] = look(locale, "currencies")[currency] ?? [currency];
  return display === "narrowSymbol" ? narrow : symbol;
};

// ---- decimals ----

// The digits of a finite number without sign, and how many of them stand before the point.
const decimalOf = (value) => {
  const [mantissa, exponent = "0"] = String(value).replace(/^-/, "").split("e");
  const [whole, fraction = ""] = mantissa.split(".");
  let digits = whole + fraction;
  let point = whole.length + Number(exponent);
  const zeros = /^0*/.exec(digits)[0].length;
  digits = digits.slice(zeros);
  point -= zeros;
  return digits === "" ? { digits: "", point: 0 } : { digits, point };
};

const roundsUp = (digits, kept, mode, isNegative) => {
  const rest = digits.slice(Math.max(kept, 0));
  if (!/[1-9]/.test(rest)) return false;
  const away = { ceil: !isNegative, floor: isNegative, expand: true, trunc: false }[mode];
  if (away !== undefined) return away;
  // With fewer than no digit kept, what is dropped is less than a half.
  if (kept < 0 || rest[0] < "5") return false;
  if (rest[0] > "5" || /[1-9]/.test(rest.slice(1))) return true;
  if (mode === "halfEven") return kept > 0 && Number(digits[kept - 1]) % 2 === 1;
  return { halfCeil: !isNegative, halfFloor: isNegative, halfExpand: true, halfTrunc: false }[mode];
};

// Keeps this many digits of a decimal.
const rounded = ({ digits, point }, kept, mode, isNegative) => {
  if (kept >= digits.length) return { digits, point };
  const up = roundsUp(digits, kept, mode, isNegative);
  const left = digits.slice(0, Math.max(kept, 0));
  if (!up) return left === "" ? { digits: "", point: 0 } : { digits: left, point };
  if (kept < 0) return { digits: "1", point: point - kept + 1 };
  const nines = /9*$/.exec(left)[0].length;
  if (nines === left.length) return { digits: "1", point: point + 1 };
  const head = left.slice(0, left.length - nines);
  return { digits: head.slice(0, -1) + (Number(head.at(-1)) + 1), point };
};

const roundedDecimal = (format, decimal, isNegative) => {
  const { maximumSignificantDigits: significant, maximumFractionDigits: fraction } = format;
  const kept = significant ?? decimal.point + fraction;
  const result = rounded(decimal, kept, format.roundingMode, isNegative);
  const digits = result.digits.replace(/0+$/, "");
  const whole = (digits.slice(0, Math.max(result.point, 0)).padEnd(Math.max(result.point, 0), "0") || "0").padStart(
    format.minimumIntegerDigits,
    "0",
  );
  let after = result.point >= 0 ? digits.slice(result.point) : "0".repeat(-result.point) + digits;
  let least = format.minimumFractionDigits ?? 0;
  if (significant !== undefined)
    least = Math.max(0, format.minimumSignificantDigits - (digits === "" ? 1 : result.point));
  if (format.trailingZeroDisplay === "stripIfInteger" && after === "") least = 0;
  after = after.padEnd(least, "0");
  return { whole, after, isZero: digits === "" };
};

const grouped = (format, whole) => {
  const { useGrouping, symbols } = format;
  let least = symbols.least;
  if (useGrouping === "always") least = 1;
  else if (useGrouping === "min2") least = Math.max(2, least);
  if (useGrouping === false || whole.length < 3 + least) return [whole];
  const groups = [];
  let end = whole.length;
  for (; end > 3; end -= 3) groups.unshift(whole.slice(end - 3, end));
  groups.unshift(whole.slice(0, end));
  return groups;
};

// ---- formatting ----

const NUMERAL = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*$/;

// A text of digits is as exact as it is written (ECMA-402 15.5.21).
const numericOf = (value) => {
  if (typeof value === "bigint") return value;
  const primitive = typeof value === "object" && value !== null ? value.valueOf() : value;
  if (typeof primitive === "string" && NUMERAL.test(primitive)) return primitive.trim().replace(/^\+/, "");
  return typeof primitive === "bigint" ? primitive : Number(primitive);
};

const numberParts = (format, given) => {
  const value = numericOf(given);
  const { symbols, style, signDisplay } = format;
  const isNumber = typeof value === "number";
  const isNegative = isNumber ? value < 0 || Object.is(value, -0) : String(value).startsWith("-");
  const inner = [];
  let isZero = false;
  if (isNumber && Number.isNaN(value)) inner.push({ type: "nan", value: symbols.nan });
  else if (isNumber && !Number.isFinite(value)) inner.push({ type: "infinity", value: symbols.infinity });
  else {
    const decimal = decimalOf(value);
    if (style === "percent" && decimal.digits !== "") decimal.point += 2;
    const result = roundedDecimal(format, decimal, isNegative);
    isZero = result.isZero;
    const group = style === "currency" ? symbols.currencyGroup : symbols.group;
    for (const [index, digits] of grouped(format, result.whole).entries()) {
      if (index > 0) inner.push({ type: "group", value: group });
      inner.push({ type: "integer", value: digits });
    }
    if (result.after !== "") {
      inner.push({ type: "decimal", value: style === "currency" ? symbols.currencyDecimal : symbols.decimal });
      inner.push({ type: "fraction", value: result.after });
    }
  }
  const isNan = inner[0].type === "nan";
  let sign = 0;
  if (isNegative && !isNan) sign = { never: 0, exceptZero: isZero ? 0 : 1, negative: isZero ? 0 : 1 }[signDisplay] ?? 1;
  else if (signDisplay === "always" || (signDisplay === "exceptZero" && !isZero && !isNan)) sign = 2;
  const parts = [];
  const pattern = patternsOf(format)[sign].split(/[{}]/);
  for (let index = 0; index < pattern.length; index++) {
    const text = pattern[index];
    if (text === "") continue;
    if (index % 2 === 0) parts.push({ type: "literal", value: text });
    else if (text === "n") parts.push(...inner);
    else parts.push({ type: text, value: fixedText(format, text) });
  }
  return parts;
};

const fixedText = (format, type) => {
  if (type === "currency") return format.symbol;
  return { minusSign: format.symbols.minus, plusSign: format.symbols.plus, percentSign: format.symbols.percentSign }[
    type
  ];
};

const patternsOf = (format) => {
  const { symbols, style, symbol } = format;
  if (style !== "currency") return style === "percent" ? symbols.percent : symbols.decimals;
  // A letter beside the number is set off from it, a sign is not (CLDR, currencySpacing).
  const isBefore = symbols.symbol[0].startsWith("{currency}");
  return /\p{S}/u.test(isBefore ? symbol.at(-1) : symbol[0]) ? symbols.symbol : symbols.code;
};

const resolvedNumberOptions = (format) => {
  const options = { locale: format.locale.name, numberingSystem: "latn", style: format.style };
  if (format.currency !== undefined) {
    options.currency = format.currency;
    options.currencyDisplay = format.currencyDisplay;
    options.currencySign = "standard";
  }
  for (const name of [
    "minimumIntegerDigits",
    "minimumFractionDigits",
    "maximumFractionDigits",
    "minimumSignificantDigits",
    "maximumSignificantDigits",
  ])
    if (format[name] !== undefined) options[name] = format[name];
  return {
    ...options,
    useGrouping: format.useGrouping,
    notation: "standard",
    signDisplay: format.signDisplay,
    roundingIncrement: 1,
    roundingMode: format.roundingMode,
    roundingPriority: "auto",
    trailingZeroDisplay: format.trailingZeroDisplay,
  };
};

const numberFormats = new WeakMap();
const numberFormatOf = (self) => {
  const format = numberFormats.get(self);
  if (format === undefined) throw new TypeError(`this is no ${NUMBER}`);
  return format;
};

class NumberFormat {
  constructor(locales, options) {
    numberFormats.set(this, readNumberOptions(locales, options));
  }
  get format() {
    const format = numberFormatOf(this);
    format.bound ??= (value) => joined(numberParts(format, value));
    return format.bound;
  }
  formatToParts(value) {
    return numberParts(numberFormatOf(this), value);
  }
  resolvedOptions() {
    return resolvedNumberOptions(numberFormatOf(this));
  }
  static supportedLocalesOf(locales) {
    return supportedLocalesOf(locales);
  }
}

const numberToLocale = (value, locales, options) => joined(numberParts(readNumberOptions(locales, options), value));
