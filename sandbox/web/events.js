// Events, and how what goes on is given up (the DOM Standard, 2 and 3).
let dispatching; // has an event know its target

class Event {
  #type;
  #cancelable;
  #target = null;
  #prevented = false;
  #stopped = false;
  #time = lent.now() - began;

  static {
    dispatching = (event, target) => {
      event.#target = target;
      event.#stopped = false;
      return () => event.#stopped;
    };
  }
  constructor(type, { cancelable = false } = {}) {
    needs(1, arguments.length, "Event");
    this.#type = String(type);
    this.#cancelable = !!cancelable;
  }
  get type() {
    return this.#type;
  }
  get target() {
    return this.#target;
  }
  get currentTarget() {
    return this.#target;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get defaultPrevented() {
    return this.#prevented;
  }
  get timeStamp() {
    return this.#time;
  }
  preventDefault() {
    if (this.#cancelable) this.#prevented = true;
  }
  stopPropagation() {}
  stopImmediatePropagation() {
    this.#stopped = true;
  }
}

class CustomEvent extends Event {
  #detail;
  constructor(type, init = {}) {
    super(type, init);
    this.#detail = init.detail ?? null;
  }
  get detail() {
    return this.#detail;
  }
}

class EventTarget {
  #listeners = [];

  addEventListener(type, callback, options = {}) {
    if (callback === null || callback === undefined) return;
    const { once = false, signal } = typeof options === "object" && options !== null ? options : {};
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("signal is no AbortSignal");
    const name = String(type);
    if (signal?.aborted || this.#listeners.some((one) => one.type === name && one.callback === callback)) return;
    this.#listeners.push({ type: name, callback, once: !!once });
    signal?.addEventListener("abort", () => this.removeEventListener(name, callback), { once: true });
  }
  removeEventListener(type, callback) {
    const name = String(type);
    this.#listeners = this.#listeners.filter((one) => one.type !== name || one.callback !== callback);
  }
  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeError("an Event is needed");
    const isStopped = dispatching(event, this);
    for (const one of [...this.#listeners]) {
      if (one.type !== event.type || !this.#listeners.includes(one)) continue;
      if (one.once) this.#listeners = this.#listeners.filter((other) => other !== one);
      if (typeof one.callback === "function") one.callback.call(this, event);
      else one.callback.handleEvent(event);
      if (isStopped()) break;
    }
    return !event.defaultPrevented;
  }
}

let abort; // aborts a signal for a reason
let dependOn;

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  #dependent = [];
  onabort = null;

  static {
    abort = (signal, reason = failed("This operation was aborted", "AbortError")) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason;
      const event = new Event("abort");
      if (typeof signal.onabort === "function") signal.onabort(event);
      signal.dispatchEvent(event);
      for (const one of signal.#dependent) abort(one, reason);
    };
    dependOn = (signal, source) => source.#dependent.push(signal);
  }
  constructor(right) {
    if (right !== BY_RIGHT) throw new TypeError("write new AbortController().signal, or AbortSignal.timeout()");
    super();
  }
  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
  static abort(reason) {
    const signal = new AbortSignal(BY_RIGHT);
    abort(signal, reason);
    return signal;
  }
  static any(signals) {
    const all = [...signals];
    const signal = new AbortSignal(BY_RIGHT);
    const first = all.find((one) => one.aborted);
    if (first) abort(signal, first.reason);
    else for (const one of all) dependOn(signal, one);
    return signal;
  }
  static timeout(milliseconds) {
    needs(1, arguments.length, "timeout");
    const signal = new AbortSignal(BY_RIGHT);
    globalThis.setTimeout(() => abort(signal, failed("The operation timed out", "TimeoutError")), milliseconds);
    return signal;
  }
}

class AbortController {
  #signal = new AbortSignal(BY_RIGHT);
  get signal() {
    return this.#signal;
  }
  abort(reason) {
    abort(this.#signal, reason);
  }
}

for (const Class of [Event, CustomEvent, EventTarget, AbortController, AbortSignal]) found[Class.name] = finish(Class);
