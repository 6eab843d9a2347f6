// Texts as modules take them. What an author does to the language's own later does not reach in here.
(() => {
  const text = String;
  const { apply } = Reflect;
  const { isWellFormed } = String.prototype;
  const { keys } = Object;
  const { isArray } = Array;

  // On its way to the host half of a surrogate pair becomes a question mark, as another text may be written already.
  const whole = (what, given) => {
    if (apply(isWellFormed, given, [])) return given;
    throw new TypeError(`the ${what} is no Unicode text: half of a surrogate pair is in it`);
  };
  // A number is taken for its digits, as account ids come.
  const keyOf = (key) => {
    if (typeof key === "string") return whole("key", key);
    if (typeof key === "number") return text(key);
    throw new TypeError("a key is a text");
  };
  // A value, or an object of values, in which every text is whole.
  const wholeIn = (given) => {
    if (typeof given === "string") return whole("value", given);
    if (typeof given !== "object" || given === null || isArray(given) || typeof given.toJSON === "function")
      return given;
    const names = keys(given);
    const copy = { __proto__: null };
    for (let index = 0; index < names.length; index++) {
      const name = whole("name of a column", names[index]);
      const value = given[name];
      copy[name] = typeof value === "string" ? whole(name, value) : value;
    }
    return copy;
  };
  const named = (what, given) => {
    if ((typeof given === "string" && given !== "") || typeof given === "number") return whole(what, text(given));
    throw new TypeError(`the ${what} is a text or a number`);
  };
  const orNothing = (what, given) => (given === undefined || given === null || given === "" ? "" : named(what, given));

  return { whole, wholeIn, keyOf, named, orNothing };
})();
