// describe, it and the like, script() and fixture(); and running the tests that the host has chosen. The author's text
// has no entry: its tests are begun once it has been evaluated.
const { host } = granted;
const HOOKS = ["beforeAll", "beforeEach", "afterEach", "afterAll"];
const NAME = 1_000; // characters of a test's name

const suiteOf = (name, parent, mode) => ({
  name,
  parent,
  mode,
  children: [],
  hooks: { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] },
});
const root = suiteOf("", undefined, "");
let suite = root;
let running = false;
const tests = [];

const describeError = (error) => {
  const about = {
    name: "Error",
    message: "",
    stack: "",
    expected: null,
    received: null,
  };
  if (error instanceof Error) {
    about.name = String(error.name).slice(0, 100);
    about.message = String(error.message).slice(0, 2_000);
    about.stack = String(error.stack).slice(0, 4_000);
    if (error instanceof AssertionError) Object.assign(about, { expected: error.expected, received: error.received });
  } else about.message = `threw ${show(error)}`;
  return about;
};

const registering = (what) => {
  if (running) throw new Error(`${what} stands at the top of the file or within describe, not within a test`);
};
const named = (name) => String(typeof name === "function" ? name.name : name).slice(0, NAME);

const addSuite = (mode) => (name, body) => {
  registering("describe");
  const made = suiteOf(named(name), suite, mode);
  suite.children.push(made);
  suite = made;
  try {
    if (body() instanceof Promise) throw new TypeError("describe takes a function that is not async");
  } finally {
    suite = made.parent;
  }
};
const addTest = (mode) => (name, body) => {
  registering("it");
  if (mode !== "todo" && typeof body !== "function") throw new TypeError("it(name, function) needs a function");
  const made = { name: named(name), suite, mode, body, number: tests.length, stack: new Error().stack.slice(0, 4_000) };
  tests.push(made);
  suite.children.push(made);
};

// `%s %d %i %f %j %o %%` of a row of it.each, `%#` its number, `$name` of a row that is an object.
const filled = (name, row, number) => {
  const values = Array.isArray(row) ? [...row] : [row];
  const text = named(name).replace(/%([sdifjo#%])/g, (whole, what) => {
    if (what === "%") return "%";
    if (what === "#") return number;
    if (values.length === 0) return whole;
    const value = values.shift();
    if (what === "s") return typeof value === "string" ? value : shown(value);
    if (what === "j") return JSON.stringify(value);
    if (what === "o") return shown(value);
    return what === "i" ? Math.trunc(Number(value)) : Number(value);
  });
  if (!isPlain(row)) return text;
  return text.replace(/\$([A-Za-z_$][\w$]*(?:\.[\w$]+)*)/g, (whole, path) => {
    const { found, value } = has(row, path);
    return found ? (typeof value === "string" ? value : shown(value)) : whole;
  });
};
const each = (add) => (rows) => {
  if (!Array.isArray(rows)) throw new TypeError("each takes a list of rows");
  return (name, body) =>
    rows.forEach((row, number) => add(filled(name, row, number), () => body(...(Array.isArray(row) ? row : [row]))));
};
const withModes = (add, modes) => {
  const made = Object.assign(add(""), { each: each(add("")) });
  for (const mode of modes) made[mode] = Object.assign(add(mode), { each: each(add(mode)) });
  return made;
};

// ---- what a test asks of the host ----

const settled = async (question, options) => {
  await making;
  let told = await host(question, [{ ...options, fakes: lendFakes() }]);
  while (told.asked !== undefined) {
    const { run, number, ...asked } = told.asked;
    // Not waited for: a fake that never answers is one that a script has to cope with.
    answerFake(asked).then((answer) => host("answered", [run, number, ...answer]));
    told = await host("next", [run]);
  }
  if (told.refused !== undefined) throw new Error(told.refused);
  return told.result;
};
// An error of the host's has no place of the author's.
const placed = async (here, question, options) => {
  try {
    return await settled(question, options);
  } catch (error) {
    if (error instanceof Error) error.stack = here.stack;
    throw error;
  }
};
const script = (path, settings = {}) => ({
  route: (request, options = {}) => placed(new Error(), "route", { path, request, ...settings, ...options }),
  run: (data = {}, options = {}) => placed(new Error(), "run", { path, data, ...settings, ...options }),
  call: (options = {}) => placed(new Error(), "call", { path, ...settings, ...options }),
});
const fixture = (path) => placed(new Error(), "fixture", { path });

// Databases of rows: made anew for each test. Those of the file and of beforeAll are all their tests'.
let databases = new Map();
let making; // whoever asks a script waits for it
let underWay = false;
const make = (asked) => {
  const { here, ...options } = asked;
  const made = placed(here, "database", options);
  return (making = made);
};
const database = (name, columns = {}, rows = []) => {
  const asked = { here: new Error(), name, columns, rows };
  databases.set(name, asked);
  return underWay ? make(asked) : Promise.resolve();
};

// ---- running ----

const lineage = (one) => (one === undefined ? [] : [...lineage(one.parent), one]);
const modes = (test) => [...lineage(test.suite).map((one) => one.mode), test.mode];

const attempt = async (errors, body) => {
  try {
    await body();
  } catch (error) {
    errors.push(describeError(error));
  }
};
const hooks = async (errors, of, which) => {
  for (const hook of of.hooks[which]) await attempt(errors, hook);
};

const runTest = async (test, broken) => {
  await host("begin", [test.number]);
  const errors = [...broken];
  const suites = lineage(test.suite);
  making = undefined;
  underWay = true;
  for (const asked of databases.values()) await attempt(errors, () => make(asked));
  if (!errors.length) {
    for (const one of suites) if (!errors.length) await hooks(errors, one, "beforeEach");
    if (!errors.length) await attempt(errors, test.body);
    for (const one of suites.toReversed()) await hooks(errors, one, "afterEach");
  }
  underWay = false;
  making = undefined;
  fakes = new Map(test.fakesBefore);
  databases = new Map(test.databasesBefore);
  await host("end", [test.number, errors.slice(0, 10)]);
};
const runSuite = async (one, chosen, broken) => {
  const wanted = (it) => (it.children ? it.children.some(wanted) : chosen.has(it.number));
  if (!wanted(one)) return;
  const outside = new Map(fakes);
  const databasesOutside = new Map(databases);
  const errors = [...broken];
  if (!errors.length) await hooks(errors, one, "beforeAll");
  for (const child of one.children) {
    if (child.children) await runSuite(child, chosen, errors);
    else if (chosen.has(child.number)) {
      // What a test fakes is its own; what beforeAll and the file fake is all their tests'.
      child.fakesBefore = new Map(fakes);
      child.databasesBefore = new Map(databases);
      await runTest(child, errors);
    }
  }
  const after = [];
  await hooks(after, one, "afterAll");
  if (after.length) await host("after", [one.name, after.slice(0, 10)]);
  fakes = outside;
  databases = databasesOutside;
};
const runAll = async () => {
  running = true;
  const only = tests.some((test) => modes(test).includes("only"));
  const listed = tests.map((test) => ({
    names: [
      ...lineage(test.suite)
        .slice(1)
        .map((one) => one.name),
      test.name,
    ],
    stack: test.stack,
    todo: test.mode === "todo",
    skipped: modes(test).includes("skip") || (only && !modes(test).includes("only")),
  }));
  await runSuite(root, new Set(await host("tests", [listed])), []);
  await host("over", []);
};

const surroundings = {
  describe: withModes(addSuite, ["skip", "only"]),
  it: withModes(addTest, ["skip", "only", "todo"]),
  expect,
  fn,
  fake,
  script,
  fixture,
  database,
};
surroundings.test = surroundings.it;
for (const which of HOOKS)
  surroundings[which] = (body) => {
    registering(which);
    suite.hooks[which].push(body);
  };
for (const [name, value] of Object.entries(surroundings))
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });

return {
  prepare: (input) => {
    // The run then is over when nothing is left to do, as one of the older dialect is, and needs no main.
    globalThis.vars();
    setTimeout(runAll, 0);
    return input;
  },
  collect: () => null,
  caught: () => undefined,
};
