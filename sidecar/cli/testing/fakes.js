// fake(name, implementation): a module of the host that the test plays. A script's side of it is faked_module.js; what it
// is told of a value is {value}, {object: {name: ...}} where there are functions in it, and {function: number} for one.
let fakes = new Map();
let lent = [];

const hasFunctions = (value, depth = 0) =>
  typeof value === "function" ||
  (isPlain(value) && depth < DEEP && Object.values(value).some((one) => hasFunctions(one, depth + 1)));

const lend = (value) => {
  if (typeof value === "function") {
    lent.push(value);
    const described = { function: lent.length - 1 };
    const own = Object.entries(value).filter(([name]) => name !== "mock" && !name.startsWith("mock"));
    if (own.length) described.object = Object.fromEntries(own.map(([name, one]) => [name, lend(one)]));
    return described;
  }
  if (!hasFunctions(value)) return { value: value === undefined ? null : value };
  const object = {};
  for (const name of Object.keys(value)) {
    const one = value[name];
    object[name] = lend(typeof one === "function" ? Object.assign((...values) => value[name](...values), one) : one);
  }
  return { object };
};

const answerFake = async ({ function: number, values, at }) => {
  scriptTime = at;
  try {
    return [true, lend(await lent[number](...values))];
  } catch (error) {
    const { name = "Error", message = shown(error) } = error ?? {};
    return [false, { ...(isPlain(error) || error instanceof Error ? plainOf(error) : {}), name, message }];
  }
};
const plainOf = (error) => JSON.parse(JSON.stringify({ ...error }));

// Functions that are none of fn()'s become such, in place, so that a test may ask how they were called.
const watched = (value, depth = 0) => {
  if (typeof value === "function") return value.mock ? value : Object.assign(fn(value), value);
  if (!isPlain(value) || depth > DEEP) return value;
  for (const name of Object.keys(value)) value[name] = watched(value[name], depth + 1);
  return value;
};

const fake = (name, implementation) => {
  if (typeof name !== "string" || !/^[^."'`\\]{1,100}$/.test(name))
    throw new TypeError("fake(name, implementation): a module's name");
  if (implementation === undefined && !Object.hasOwn(MEMORY, name))
    throw new TypeError(
      `fake('${name}', {...}): what it does is to be said; in memory there is ${Object.keys(MEMORY)}`,
    );
  const made = watched(implementation ?? MEMORY[name]());
  fakes.set(name, made);
  return made;
};
const lendFakes = () => {
  lent = [];
  return Object.fromEntries([...fakes].map(([name, made]) => [name, lend(made)]));
};
