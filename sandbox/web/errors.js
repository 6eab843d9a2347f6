// How what is here fails, and how its classes look from outside.
const found = { __proto__: null }; // all that there is, by name
const BY_RIGHT = {}; // what classes are given that authors do not make
let began = 0; // when the run began, by its clock
found.begin = (time) => {
  began = time;
};

const failed = (message, name) => new DOMException(message, name);

const needs = (count, given, what) => {
  if (given < count) throw new TypeError(`${what} needs ${count} ${count === 1 ? "argument" : "arguments"}`);
};

// A text in which half a surrogate pair is U+FFFD, as the web has its texts.
const usv = (value) => {
  const text = String(value);
  return text.isWellFormed() ? text : text.toWellFormed();
};

// As Web IDL has its classes: what they have is enumerable, and they are known by their names.
const finish = (Class) => {
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
  for (const owner of [Class, Class.prototype])
    for (const key of Object.getOwnPropertyNames(owner)) {
      const found = Object.getOwnPropertyDescriptor(owner, key);
      if (found.configurable && !["constructor", "prototype", "name", "length"].includes(key))
        Object.defineProperty(owner, key, { ...found, enumerable: true });
    }
  return Class;
};
