// Errors as Node has them: told apart by their code.
const inspect = (value, options) => require("util").inspect(value, options); // when it is needed: it is large
const coded = (Class, code, message) => Object.assign(new Class(message), { code });

const received = (value) => {
  if (value === null || value === undefined) return ` Received ${value}`;
  if (typeof value === "function") return value.name ? ` Received function ${value.name}` : " Received function ";
  if (typeof value === "object") {
    if (value.constructor?.name) return ` Received an instance of ${value.constructor.name}`;
    return ` Received ${inspect(value, { depth: -1 })}`;
  }
  let shown = inspect(value, { colors: false });
  if (shown.length > 28) shown = `${shown.slice(0, 25)}...`;
  return ` Received type ${typeof value} (${shown})`;
};

const wrongType = (name, wanted, value) =>
  coded(
    TypeError,
    "ERR_INVALID_ARG_TYPE",
    `The ${name.endsWith("argument") ? name : name.includes(".") ? `"${name}" property` : `"${name}" argument`} must be ${wanted}.${received(value)}`,
  );
const grouped = (value) => {
  const mark = typeof value === "bigint" ? "n" : "";
  const isLarge = Number.isInteger(value)
    ? Math.abs(value) > 2 ** 32
    : mark && (value > 2n ** 32n || -value > 2n ** 32n);
  if (isLarge) return `${value}`.replace(/\B(?=(\d{3})+$)/g, "_") + mark;
  return mark ? `${value}n` : inspect(value);
};
const outOfRange = (name, wanted, value) =>
  coded(
    RangeError,
    "ERR_OUT_OF_RANGE",
    `The value of "${name}" is out of range. It must be ${wanted}. Received ${grouped(value)}`,
  );
const wrongValue = (name, value, reason = "is invalid") =>
  coded(
    TypeError,
    "ERR_INVALID_ARG_VALUE",
    `The ${name.includes(".") ? "property" : "argument"} '${name}' ${reason}. Received ${inspect(value)}`,
  );
const unknownEncoding = (name) => coded(TypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${name}`);

// What Node has and a script has not.
const unavailable = (name) =>
  coded(Error, "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", `${name} is not available to scripts`);
const absent = (module, names) => {
  const made = {};
  for (const name of names) {
    made[name] = {
      [name]: function () {
        throw unavailable(`${module}.${name}`);
      },
    }[name];
  }
  return made;
};

const checkFunction = (name, value) => {
  if (typeof value !== "function") throw wrongType(name, "of type function", value);
};
const checkString = (name, value) => {
  if (typeof value !== "string") throw wrongType(name, "of type string", value);
};

module.exports = {
  absent,
  checkFunction,
  checkString,
  coded,
  outOfRange,
  received,
  unavailable,
  unknownEncoding,
  wrongType,
  wrongValue,
};
