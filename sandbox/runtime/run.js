// One run: load the author's text once, then start, take turns and poll until it has a status.
// What a run that may wait has more (timers, promises, modules, host calls) is in suspending.js; where none may wait,
// synchronous.js stands in its place.
//
// A status is one string: a tag, and what belongs to it.
//   R returned (the result has been written)  E threw (JSON)  M out of memory  X exceeded (which bound)
//   W waiting (ms to the next timer, or none)
// The adapter is trusted (an object, or a function of what its kind is granted that gives one) and evaluated before the
// author's text: prepare(input) gives what main receives, collect(data, returned) what the run results in, caught(error)
// a result for an error that is an answer, else undefined. It may have more: defined(functions) is told what the text
// gives to callers before one of them is called, around(called) gives what is called in place of the run's function, context() gives main's second argument,
// modules what require gives by name where the program has no module of that name, and rest() is called at the end of each
// turn that leaves the run waiting; corrected(collected), asked where the result has a number that is none, which is written as
// null, or a property that is undefined or a function, which is left out, gives what the run results in instead, or undefined; named(collected), asked where the result cannot be written, gives
// what says why, or undefined; tellsUnawaited is true where an author is told what the run left behind, and
// own() gives how many timers it keeps itself and how many host calls are its own; tellsRejection(error) says whether of a rejection that nobody awaited.
const EXIT = freeze(create(null));
let program;
let bounds = { result: 1000000 }; // of what a text throws while it is loaded; a run brings its own
let now = 0;
let adapter;
let factory; // of the author's text: gives the functions that may be called
let status = "";
let data;
let finished = false;
let finishedBy;
let finishedValue;
let askedForData = false;
let entry = "main"; // the function that the run calls
let hasEntry = false;
let awaitsAtTop = false; // the text does, as an ES module may

const conclude = (tag, payload) => {
  if (status === "") status = tag + payload;
};

// A run ends once: what a promise reaction throws when it has, or a second answer, changes nothing.
const fail = (thrown) => {
  if (status !== "") return;
  if (isOutOfMemory(thrown)) return conclude("M", "");
  let answered;
  try {
    const value = adapter.caught(thrown);
    if (value !== undefined) answered = write(value, bounds.result);
  } catch {
    // The error has a getter that throws: it is no answer then.
  }
  if (answered === undefined) return conclude("E", describe(thrown));
  return answered ? conclude("R", "") : conclude("X", "result");
};

const written = (value) => {
  const fits = write(value, bounds.result);
  if (fits === undefined) throw new NativeTypeError("the result cannot be written as JSON");
  return fits;
};

// What the run results in where its result could not be written: the adapter may know the value by name.
const writtenInstead = (collected, thrown) => {
  const named = adapter.named === undefined || isOutOfMemory(thrown) ? undefined : adapter.named(collected);
  if (named === undefined) throw thrown;
  return written(named);
};

const succeed = (returned) => {
  if (status !== "") return;
  try {
    const collected = adapter.collect(data, dataOf(returned));
    let fits;
    try {
      fits = written(collected);
    } catch (thrown) {
      fits = writtenInstead(collected, thrown);
    }
    if (fits && lostValue() && adapter.corrected !== undefined) {
      const corrected = adapter.corrected(collected);
      if (corrected !== undefined) fits = written(corrected);
    }
    if (!fits) return conclude("X", "result");
    tellLeft();
    return conclude("R", "");
  } catch (thrown) {
    return fail(thrown);
  }
};

const finish = (by, value) => {
  if (finished) return;
  finished = true;
  finishedBy = by;
  finishedValue = value;
};

const concludeFinished = () => (finishedBy === "exit" ? succeed(finishedValue) : fail(finishedValue));

// Called it gives the data, and it has the data's keys as well: both spellings are in use.
const ofData = () => {
  askedForData = true;
  return data;
};
const handler = assign(create(null), {
  get: (_target, key) => get(ofData(), key),
  set: (_target, key, value) => set(ofData(), key, value),
  has: (_target, key) => has(ofData(), key),
  deleteProperty: (_target, key) => deleteProperty(ofData(), key),
  ownKeys: () => ownKeys(ofData()),
  getOwnPropertyDescriptor: (_target, key) => {
    const found = descriptor(ofData(), key);
    // The target has none of its own, and a proxy must not claim one that could not be there.
    if (found !== undefined) defineProperty(found, "configurable", { __proto__: null, value: true });
    return found;
  },
  defineProperty: (_target, key, attributes) => {
    if (attributes.configurable === false) return false;
    return defineOwn(ofData(), key, attributes);
  },
});
const target = () => ofData();
delete target.name;
delete target.length;
const dataAsObject = new NativeProxy(target, handler);
const dataOf = (value) => (value === dataAsObject ? data : value);
define("vars", dataAsObject);
define("exit", (value) => {
  finish("exit", dataOf(value));
  throw EXIT;
});
define("err", (value) => {
  finish("err", value);
  throw value;
});

// An author may shadow eval: what the text defines is told by text of ours that follows it.
const entryPoints = (names) => {
  let properties = "__proto__:null";
  for (let index = 0; index < names.length; index++) {
    const name = names[index];
    properties += `,["${name}"]:typeof ${name}==="function"?${name}:void 0`;
  }
  return `{${properties}}`;
};

// What of the web's interfaces there is, for a program whose text names some of it; for any other nothing is made.
let web;
const makeWeb = (make) => {
  const { fillRandom, digest } = native;
  web = make({ fillRandom, digest, now: () => realm.Date.now(), waits: mayWait });
  const names = ownKeys(web);
  for (let index = 0; index < names.length; index++)
    if (names[index] !== "begin") define(names[index], web[names[index]]);
};

const adapt = (evaluated) => {
  adapter = typeof evaluated === "function" ? evaluated(granted) : evaluated;
};

// What is put before the author's text, whose first line is its third.
const BEFORE = "{\n\n";
const FIRST_LINE = -1;
const compileFunction = () =>
  compile(`(function () ${BEFORE}${program.text}\n;return${entryPoints(program.entries)}})`, program.name, FIRST_LINE);

const load = () => {
  try {
    program = read();
    factory = loadText();
    program.text = undefined;
    return "R";
  } catch (thrown) {
    fail(thrown);
    return status;
  }
};

const noEntryPoint = () =>
  new NativeError("no entry point: the script needs function main(data), or vars() and exit()");

const poll = (idle) => {
  if (status === "" && finished) concludeFinished();
  if (status !== "") return status;
  if (idle && adapter.rest !== undefined) adapter.rest();
  const timer = nextTimer();
  if (timer === undefined && waitingFor() === 0 && idle) {
    if (askedForData) succeed(undefined);
    else if (!hasEntry && !awaitsAtTop) fail(noEntryPoint());
    else if (awaitsAtTop)
      fail(new NativeError("what is awaited at the top can never settle: nothing that it waits for is pending"));
    else
      fail(new NativeError(`${entry} returned a promise that can never settle: nothing that it waits for is pending`));
    return status;
  }
  return timer === undefined ? "W" : `W${timer.due - now}`;
};

const isThenable = (value) =>
  value !== null && (typeof value === "object" || typeof value === "function") && typeof value.then === "function";

// What an author's own return at the top level gives stands for main.
const entryOf = (defined) => {
  if (typeof defined === "object" && defined !== null) return defined[entry];
  return entry === "main" ? defined : undefined;
};
const findIn = (defined) => (name) => (typeof defined === "object" && defined !== null ? defined[name] : undefined);
const callEntryOf = (defined) => callEntry(entryOf(defined), findIn(defined));

// `find` gives the author's functions by name.
const callEntry = (called, find) => {
  if (adapter.defined !== undefined) adapter.defined(find);
  hasEntry = called !== undefined;
  if (hasEntry && adapter.around !== undefined) called = adapter.around(called);
  if (!hasEntry && entry !== "main") throw new NativeError(`no function ${entry}`);
  const returned =
    hasEntry && !finished ? called(data, adapter.context === undefined ? undefined : adapter.context()) : undefined;
  if (finished) concludeFinished();
  else if (isThenable(returned)) follow(returned);
  else if (hasEntry || (askedForData && !mayWait)) succeed(returned);
  else if (!mayWait) throw noEntryPoint();
};

const start = (correlationId, time, entryName, result, log, outbox, outboxBytes) => {
  now = time;
  entry = entryName;
  bounds = { result, outbox, outboxBytes };
  if (web !== undefined) web.begin(time);
  logBound = log;
  renewLog();
  try {
    const environment = assign({}, program.environment);
    environment.CORRELATION_ID = correlationId;
    defineProcess(environment);
    data = adapter.prepare(read());
    evaluateText(factory);
  } catch (thrown) {
    if (finished) concludeFinished();
    else fail(thrown);
  }
  return poll(false);
};
