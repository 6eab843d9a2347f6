// What a run that may wait has more: timers, promises, modules and host calls, within the run.
// Time is the worker's: it comes in with every turn.
const TIMERS = 1000;
const LONGEST_DELAY = 2147483647;
let timers = bareArray();
let timerCount = 0;

const addTimer = (callback, delay, repeat, values) => {
  if (typeof callback !== "function") throw new NativeTypeError("a timer's callback must be a function");
  if (timers.length >= TIMERS) throw new NativeRangeError(`more than ${TIMERS} timers`);
  const asked = +delay;
  const wait = asked >= 1 && asked <= LONGEST_DELAY ? asked : 1;
  const timer = bareObject();
  timer.id = ++timerCount;
  timer.due = now + wait;
  timer.wait = repeat ? wait : 0;
  timer.callback = callback;
  timer.values = values;
  put(timers, timer);
  return timer.id;
};

const removeTimer = (id) => {
  const kept = bareArray();
  for (let index = 0; index < timers.length; index++) if (timers[index].id !== id) put(kept, timers[index]);
  timers = kept;
};

const nextTimer = () => {
  let first;
  for (let index = 0; index < timers.length; index++) {
    if (first === undefined || timers[index].due < first.due) first = timers[index];
  }
  return first;
};

const fireTimer = () => {
  const timer = nextTimer();
  if (timer === undefined || timer.due > now) return;
  if (timer.wait) timer.due = now + timer.wait;
  else removeTimer(timer.id);
  apply(timer.callback, undefined, timer.values);
};

let outbox = bareArray(); // JSON texts: written when the call is made, so that it says what it said then
let waitingLength = 0; // characters of the calls that have no answer: until then the host has them in its memory
let hostCalls = bareObject();
let hostCallCount = 0;
let hostCallsWaiting = 0;

const host = (name, values) =>
  new NativePromise((resolve, reject) => {
    const written = stringify(values);
    // An author's toJSON may make anything of a list.
    if (written === undefined || written[0] !== "[")
      throw new NativeTypeError(`the arguments of ${name} cannot be written as JSON`);
    const id = ++hostCallCount;
    const asked = flat("[", id, ",", stringify(name), ",", written, "]");
    if (outbox.length >= bounds.outbox || waitingLength + asked.length > bounds.outboxLength)
      return conclude("X", "outbox");
    waitingLength += asked.length;
    put(outbox, asked);
    const waiting = bareObject();
    waiting.length = asked.length;
    waiting.resolve = resolve;
    waiting.reject = reject;
    hostCalls[id] = waiting;
    hostCallsWaiting++;
  });

define("setTimeout", (callback, delay, ...values) => addTimer(callback, delay, false, values));
define("setInterval", (callback, delay, ...values) => addTimer(callback, delay, true, values));
define("setImmediate", (callback, ...values) => addTimer(callback, 1, false, values));
define("clearTimeout", removeTimer);
define("clearInterval", removeTimer);
define("clearImmediate", removeTimer);
define("queueMicrotask", (callback) => {
  apply(then, new NativePromise((resolve) => resolve()), [() => callback()]);
});

let offered = bareArray(); // the program's modules in their order, evaluated to functions of { ask }, or null for text
let modules = bareObject();

const offer = (make) => put(offered, make);

const makeModules = () => {
  modules = assign(bareObject(), adapter.modules);
  for (let index = 0; index < program.modules.length; index++) {
    const { name, text: moduleText } = program.modules[index];
    const make = offered[index] ?? evaluate(moduleText);
    modules[name] = make({ ask: (question, ...values) => host(flat(name, ".", question), values) });
  }
  offered = bareArray();
};

define("require", (name) => {
  const wanted = text(name);
  const found = modules[wanted];
  if (found === undefined) throw new NativeError(`require('${wanted}'): there is no such module`);
  return found;
});

const mayWait = true;
const waitingFor = () => hostCallsWaiting;
const outboxCalls = () => outbox.length;
const nothingWaits = () => timers.length === 0 && hostCallsWaiting === 0;
const follow = (promise) => {
  apply(then, new NativePromise((resolve) => resolve(promise)), [succeed, (thrown) => fail(thrown)]);
};

const turn = (step) => {
  try {
    step();
  } catch (thrown) {
    if (!finished) fail(thrown);
  }
  return poll(false);
};

const fire = (time) => {
  now = time;
  return turn(fireTimer);
};

const settle = (id, succeeded, valueText, time) => {
  now = time;
  return turn(() => {
    const waiting = hostCalls[id];
    if (waiting === undefined) return;
    delete hostCalls[id];
    hostCallsWaiting--;
    waitingLength -= waiting.length;
    if (succeeded) waiting.resolve(parse(valueText));
    else waiting.reject(assign(new NativeError(), parse(valueText)));
  });
};

const takeOutbox = () => {
  const taken = outbox;
  outbox = bareArray();
  return listed(taken);
};

// Promises that were rejected and that nobody waited for, each followed by its reason, or undefined twice; see rejections.py.
const unheard = bareArray();
const handOverUnheard = () => define("handedOver", unheard);
const takeBack = () => {
  delete realm.handedOver;
};

const takeUnheard = () => {
  const taken = bareArray();
  for (let index = 0; index < unheard.length; index += 2) {
    if (
      unheard[index] !== undefined &&
      adapter.tellsRejection !== undefined &&
      adapter.tellsRejection(unheard[index + 1])
    )
      put(taken, describe(unheard[index + 1]));
    unheard[index] = unheard[index + 1] = undefined;
  }
  return listed(taken);
};

const warn = log("warn");

const tellLeft = () => {
  if (!adapter.tellsUnawaited || nothingWaits()) return;
  const left = bareArray();
  if (timers.length) put(left, `${timers.length} ${timers.length === 1 ? "timer" : "timers"}`);
  if (hostCallsWaiting) put(left, `${hostCallsWaiting} ${hostCallsWaiting === 1 ? "answer" : "answers"} of modules`);
  warn(`${entry} has ended: ${apply(join, left, [" and "])} that it did not await will not come`);
};

const granted = { host };
const turns = { fire, settle, takeOutbox, offer, handOverUnheard, takeBack, takeUnheard };
