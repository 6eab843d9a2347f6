// What an App has more than a Script: timers, promises and host calls, within its run.
// Time is the worker's: it comes in with every turn.
const TIMERS = 1000;
const LONGEST_DELAY = 2147483647;
let timers = bareArray();
let timerCount = 0;

const addTimer = (callback, delay, repeat, values) => {
  if (typeof callback !== "function") throw new NativeTypeError("a timer's callback must be a function");
  if (timers.length >= TIMERS) throw new NativeRangeError(`more than ${TIMERS} timers`);
  const wait = delay >= 1 && delay <= LONGEST_DELAY ? +delay : 1;
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

let outbox = bareArray();
let hostCalls = bareObject();
let hostCallCount = 0;
let hostCallsWaiting = 0;

const host = (name, values) => new NativePromise((resolve, reject) => {
  if (outbox.length >= program.outboxLimit) return conclude("X", "outbox");
  const call = bareArray();
  const id = ++hostCallCount;
  put(call, id);
  put(call, name);
  put(call, values);
  put(outbox, call);
  const waiting = bareObject();
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
define("require", (name) => {
  throw new NativeError(`require('${text(name)}'): there is no such module`);
});

const mayWait = true;
const waitingFor = () => hostCallsWaiting;
const outboxLength = () => outbox.length;
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
    if (succeeded) waiting.resolve(parse(valueText));
    else waiting.reject(assign(new NativeError(), parse(valueText)));
  });
};

const takeOutbox = () => {
  const taken = outbox;
  outbox = bareArray();
  try {
    return stringify(taken);
  } catch (thrown) {
    fail(thrown);
    return "[]";
  }
};

const granted = { host };
const turns = { fire, settle, takeOutbox };
