// Class 5: what a script that drives a call sees as ctx. Input: {call: {...the offer}, vars}.
// Result: {returned}, {reject: [code, reason]} for a SIP error, or {hungup: true} for a HangupError that nobody caught.
//
// Host calls: perform(kind, options) is one action, answered when it is complete on the call; actions are done in the
// order in which they were asked for. digits(fresh) is answered with the digits that came, hangup() when the call has
// ended, log(text) and warn(text, stack) at once; exceeded(what, stack) never, since the run is ended for it.
((granted) => {
  "use strict";
  const { host } = granted;
  const { assign, create, defineProperty, freeze, hasOwn, keys } = Object;
  const { isArray } = Array;
  const { isFinite } = Number;
  const { apply } = Reflect;
  const { exec } = RegExp.prototype;
  const { endsWith, toLowerCase, startsWith, slice } = String.prototype;
  const { then } = Promise.prototype;
  const { setTimeout, clearTimeout } = globalThis;
  const NativePromise = Promise;
  const NativeError = Error;
  const NativeRangeError = RangeError;
  const NativeTypeError = TypeError;
  const NativeRegExp = RegExp;
  const text = String;
  const WAITS = 100;
  const WARNINGS = 100;
  const SIP_ERROR = /^\s*([0-9]{3})(?:\s+(.*?))?\s*$/s;
  const DIGITS_ONLY = /^[0-9*#A-D]+$/;

  class HangupError extends NativeError {
    constructor(message) {
      super(message === undefined ? "the call has ended" : message);
      this.name = "HangupError";
    }
  }
  defineProperty(globalThis, "HangupError", { value: HangupError, writable: true, configurable: true });

  // ---- actions, and whether each was awaited ----

  let unawaited = [];
  let warnings = 0;
  let outgoing = [];
  let variables = create(null);
  let call = {};

  class ActionPromise extends NativePromise {
    then(fulfilled, rejected) {
      if (this.action !== undefined) this.action.awaited = true;
      return super.then(fulfilled, rejected);
    }
  }

  // An action is refused in a turn of its own, in which nothing of the author's runs: the place is where it was made.
  const refusal = (error, stack) => {
    const { name, message } = error;
    const refused = name === "HangupError" ? new HangupError(message) : name === "TypeError" ? new NativeTypeError(message) : error;
    defineProperty(refused, "stack", { __proto__: null, value: stack, writable: true, configurable: true });
    return refused;
  };

  // A loop that asks its call for something without end: each round is cheap, and all of them are the daemon's work.
  let asked = 0;
  const ask = (what) => {
    if (asked++ === call.actions) host("exceeded", [what, new NativeError().stack]);
    return asked <= call.actions;
  };
  const never = () => new NativePromise(() => {});

  const perform = (kind, options) => {
    if (!ask("actions")) return never();
    const made = host("perform", [kind, options]);
    const { stack } = new NativeError();
    const promise = new ActionPromise((resolve, reject) => {
      apply(then, made, [resolve, (error) => reject(refusal(error, stack))]);
    });
    const action = { kind, awaited: false, stack };
    defineProperty(promise, "action", { value: action });
    unawaited[unawaited.length] = action;
    return promise;
  };

  // After each turn: an action whose promise nobody has taken up by now was made without await.
  const rest = () => {
    const made = unawaited;
    unawaited = [];
    for (let index = 0; index < made.length; index++) {
      if (!made[index].awaited && warnings++ < WARNINGS) host("warn", [`ctx.${made[index].kind}() is not awaited`, made[index].stack]);
    }
  };

  // ---- digits ----

  let waits = [];
  let listening = false;

  const matcher = (match) => {
    if (typeof match === "function") return (digits) => (match(digits) ? digits : undefined);
    if (match instanceof NativeRegExp) {
      const pattern = new NativeRegExp(match.source, match.ignoreCase ? "i" : "");
      return (digits) => apply(exec, pattern, [digits])?.[0];
    }
    const wanted = text(match);
    if (apply(exec, DIGITS_ONLY, [wanted]) !== null) {
      return (digits) => (apply(endsWith, digits, [wanted]) ? wanted : undefined);
    }
    const pattern = new NativeRegExp(wanted);
    return (digits) => apply(exec, pattern, [digits])?.[0];
  };

  const forget = (wait) => {
    const kept = [];
    for (let index = 0; index < waits.length; index++) if (waits[index] !== wait) kept[kept.length] = waits[index];
    waits = kept;
    clearTimeout(wait.timer);
  };

  const hear = (digits) => {
    for (let index = 0; index < digits.length; index++) {
      const current = waits;
      for (let each = 0; each < current.length; each++) {
        const wait = current[each];
        wait.digits += digits[index];
        try {
          const found = wait.match(wait.digits);
          if (found !== undefined) {
            forget(wait);
            wait.resolve(found);
          } else if (wait.quit !== undefined && wait.quit(wait.digits) !== undefined) {
            forget(wait);
            wait.reject(refusal(new NativeError("waitFor was quit"), wait.stack));
          }
        } catch (error) {
          forget(wait);
          wait.reject(error);
        }
      }
    }
  };

  const listen = (fresh) => {
    listening = true;
    apply(then, host("digits", [fresh]), [
      (digits) => {
        hear(digits);
        if (waits.length) listen(false);
        else listening = false;
      },
      (error) => {
        listening = false;
        const current = waits;
        for (let index = 0; index < current.length; index++) {
          forget(current[index]);
          current[index].reject(refusal(error, current[index].stack));
        }
      },
    ]);
  };

  const waitFor = (match, quit, timeout) => new NativePromise((resolve, reject) => {
    if (!ask("waitFor")) return;
    if (waits.length >= WAITS) throw new NativeRangeError(`more than ${WAITS} waitFor at once`);
    const wait = { digits: "", match: matcher(match), quit: quit === undefined || quit === null ? undefined : matcher(quit), resolve, reject };
    wait.stack = new NativeError().stack;
    const seconds = timeout === undefined || timeout === null ? 60 : +timeout;
    wait.timer = setTimeout(() => {
      forget(wait);
      reject(refusal(new NativeError("waitFor timed out"), wait.stack));
    }, seconds * 1000);
    waits[waits.length] = wait;
    if (!listening) listen(true);
  });

  // ---- what is known of the call ----

  const sipHeader = (name) => {
    const wanted = apply(toLowerCase, name, []);
    for (let index = 0; index < call.headers.length; index++) {
      if (apply(toLowerCase, call.headers[index][0], []) === wanted) return call.headers[index][1];
    }
    return undefined;
  };

  const known = (name) => {
    if (name in variables) return variables[name];
    if (apply(startsWith, name, ["sip_h_"])) return sipHeader(apply(slice, name, [6]));
    if (hasOwn(call.known, name)) return call.known[name];
    return hasOwn(call.variables, name) ? call.variables[name] : undefined;
  };

  // JSON has no NaN and would make it null, as if nothing had been asked for.
  const number = (value) => (typeof value === "number" && !isFinite(value) ? text(value) : value ?? null);

  const list = (value) => (isArray(value) ? value : [value]);

  class CallServer {
    constructor(correlationId) {
      if (correlationId !== undefined && correlationId !== call.id) throw new NativeError(`no call ${text(correlationId)} here`);
    }

    get(key) {
      return known(text(key));
    }

    set(key, value) {
      variables[text(key)] = text(value);
      return perform("set", { key: text(key), value: text(value) });
    }

    header(key, value) {
      const name = text(key);
      if (value === undefined) return sipHeader(name);
      const kept = [];
      for (let index = 0; index < outgoing.length; index++) {
        if (apply(toLowerCase, outgoing[index][0], []) !== apply(toLowerCase, name, [])) kept[kept.length] = outgoing[index];
      }
      if (value !== null) kept[kept.length] = [name, text(value)];
      outgoing = kept;
      return text(value);
    }

    log(...values) {
      if (!ask("log lines")) return never();
      return host("log", [values.map((value) => (typeof value === "string" ? value : text(value))).join(" ")]);
    }

    answer() {
      return perform("answer", { headers: outgoing });
    }

    tts(words, voice) {
      return perform("tts", { text: text(words), voice: voice === undefined ? "" : text(voice) });
    }

    play(file) {
      return perform("play", { files: list(file) });
    }

    echo(delay) {
      return perform("echo", { delay: number(delay === undefined ? 0 : +delay) });
    }

    ivr(file, timeout, minimum, maximum, terminators, options) {
      return perform("ivr", {
        files: file === undefined || file === null ? [] : list(file),
        timeout: number(timeout),
        minimum: number(minimum),
        maximum: number(maximum),
        terminators: terminators ?? null,
        options: assign({}, options, options?.regexp instanceof NativeRegExp ? { regexp: options.regexp.source } : undefined),
      });
    }

    bridge(destination, continueOn, external, options) {
      return perform("bridge", {
        destinations: list(destination),
        continueOn: continueOn ?? false,
        external: external ?? false,
        options: assign({}, options),
        headers: outgoing,
      });
    }

    hangup(cause) {
      return perform("hangup", { cause: number(cause), headers: outgoing });
    }

    blockDtmf(digits) {
      return perform("blockDtmf", { digits: digits === undefined || digits === null ? "" : list(digits).join("") });
    }

    waitFor(match, quit, timeout) {
      return waitFor(match, quit, timeout);
    }

    waitForHangup() {
      if (!ask("waitForHangup")) return never();
      return host("hangup", []);
    }

    record(filename, options) {
      return perform("record", { file: text(filename), stereo: options?.stereo === true });
    }
  }
  freeze(CallServer.prototype);

  const prepare = (input) => {
    call = input.call;
    variables = create(null);
    outgoing = [];
    unawaited = [];
    warnings = 0;
    asked = 0;
    waits = [];
    listening = false;
    const data = assign({}, input.data, input.vars);
    return data;
  };

  const collect = (data, returned) => {
    rest();
    return { returned: returned === undefined ? null : returned };
  };

  const rejection = (code, reason) => {
    const status = +code;
    return status >= 300 && status <= 699 && status % 1 === 0 ? { reject: [status, text(reason ?? "")] } : undefined;
  };

  const caught = (thrown) => {
    if (thrown instanceof HangupError) return { hungup: true };
    if (isArray(thrown)) return thrown.length > 0 && thrown.length <= 2 ? rejection(thrown[0], thrown[1]) : undefined;
    const message = thrown instanceof NativeError ? thrown.message : thrown;
    const match = typeof message === "string" ? apply(exec, SIP_ERROR, [message]) : null;
    return match === null ? undefined : rejection(match[1], match[2]);
  };

  const modules = { cxC5Server: CallServer };
  const require = (name) => (keys(modules).includes(name) ? modules[name] : undefined);

  return { prepare, collect, caught, rest, require, context: () => new CallServer(call.id) };
})
