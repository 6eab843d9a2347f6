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

let waitingBytes = 0; // of the calls that have no answer: until then the host has them in its memory
let hostCalls = bareObject();
let hostCallCount = 0;
let hostCallsWaiting = 0;
let hostCallsBeside = 0; // of them those that the author has not made: a module listens for what may come

// Written when the call is made, so that it says what it said then. `error` is what it rejects with, made where the author's
// text has asked; `beside` of a call that is not the author's.
const host = (name, values, error = new NativeError(), beside = false) =>
  new NativePromise((resolve, reject) => {
    const id = ++hostCallCount;
    const bytes = hostCallsWaiting < bounds.outbox ? addCall(bounds.outboxBytes - waitingBytes, id, name, values) : -1;
    // An argument's toJSON may have asked as well.
    if (bytes < 0 || hostCallsWaiting >= bounds.outbox || waitingBytes + bytes > bounds.outboxBytes) {
      // An executor that throws only rejects: who asks without end would go on.
      conclude("X", "outbox");
      stop(status);
    }
    waitingBytes += bytes;
    const waiting = bareObject();
    waiting.bytes = bytes;
    waiting.beside = beside;
    waiting.resolve = resolve;
    waiting.reject = reject;
    waiting.error = error;
    hostCalls[id] = waiting;
    hostCallsWaiting++;
    if (waiting.beside) hostCallsBeside++;
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

// The runtime's own promises are of the engine's class, whatever an author does.
defineProperty(NativePromise.prototype, "constructor", { __proto__: null, writable: false, configurable: false });
defineProperty(NativePromise, Symbol.species, { __proto__: null, configurable: false });

const mayWait = true;
const waitingFor = () => hostCallsWaiting;
const nothingWaits = () => timers.length === 0 && hostCallsWaiting === 0;
// What exit and err have told stands, whatever becomes of the promise that they were called in.
const follow = (promise) => {
  const ended = (end) => (value) => (finished ? concludeFinished() : end(value));
  apply(then, new NativePromise((resolve) => resolve(promise)), [ended(succeed), ended(fail)]);
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

const settle = (id, succeeded, time) => {
  now = time;
  return turn(() => {
    const waiting = hostCalls[id];
    if (waiting === undefined) return;
    delete hostCalls[id];
    hostCallsWaiting--;
    if (waiting.beside) hostCallsBeside--;
    waitingBytes -= waiting.bytes;
    if (succeeded) waiting.resolve(read());
    else waiting.reject(assign(waiting.error, read()));
  });
};

const tellRejection = (reason) =>
  adapter.tellsRejection !== undefined && adapter.tellsRejection(reason) ? describe(reason) : undefined;

const warn = log("warn");

const tellLeft = () => {
  if (!adapter.tellsUnawaited || nothingWaits()) return;
  const left = bareArray();
  // An adapter that keeps the run's timers has host calls of its own.
  const own = adapter.own === undefined ? { timers: 0, calls: 0 } : adapter.own();
  const timersLeft = timers.length + own.timers;
  const answersLeft = hostCallsWaiting - hostCallsBeside - own.calls;
  if (timersLeft) put(left, `${timersLeft} ${timersLeft === 1 ? "timer" : "timers"}`);
  if (answersLeft) put(left, `${answersLeft} ${answersLeft === 1 ? "answer" : "answers"} of modules`);
  if (left.length === 0) return;
  warn(`${entry} has ended: ${apply(join, left, [" and "])} that it did not await will not come`);
};

// A promise reaction can throw where the class of its derived promise is the author's.
const failed = (thrown) => {
  if (!finished) fail(thrown);
};
// Of a run whose host takes its lines away as it goes on, the log has as much room again.
const granted = { host, failed, renewLog };

const turns = { fire, settle, offer, bring, failed, tellRejection };
