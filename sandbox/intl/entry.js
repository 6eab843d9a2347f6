// What of ECMA-402 there is; what is not here is undefined, and is reported by `check`.
const callable = (Class) => {
  // With and without `new`, as ECMA-402 has these.
  const made = function (locales, options) {
    return Reflect.construct(Class, [locales, options], new.target ?? made);
  };
  const define = (target, name, value) =>
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  Object.defineProperty(made, "name", { value: Class.name, configurable: true });
  Object.defineProperty(made, "length", { value: 0, configurable: true });
  Object.defineProperty(made, "prototype", { value: Class.prototype, writable: false });
  define(Class.prototype, "constructor", made);
  define(made, "supportedLocalesOf", Class.supportedLocalesOf);
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: `Intl.${Class.name}`, configurable: true });
  return made;
};

const Intl = {};
for (const Class of [DateTimeFormat, NumberFormat, Collator])
  Object.defineProperty(Intl, Class.name, { value: callable(Class), writable: true, configurable: true });
Object.defineProperty(Intl, Symbol.toStringTag, { value: "Intl", configurable: true });
Object.defineProperty(Intl, "getCanonicalLocales", {
  value: function getCanonicalLocales(locales) {
    return [...new Set(tagsOf(locales).map((tag) => readTag(tag).name))];
  },
  writable: true,
  configurable: true,
});
return { Intl, dateToLocale, numberToLocale, localeCompare, checkCaseLocale };
