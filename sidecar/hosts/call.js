// Class 5: what a script that drives a call sees as ctx. Input: {call: {...the offer}, vars}.
// Result: {returned}, {reject: [code, reason]} for a SIP error, or {hungup: true} for a HangupError that nobody caught.
//
// Host calls: perform(kind, options, stack) is one action, answered when it is complete on the call; actions are done
// in the order in which they were asked for. digits(fresh) is answered with the digits that came, hangup() when the
// call has ended, log(text) and warn(text, stack) at once; exceeded(what, stack) never, since the run is ended for it.
(granted) => {
  "use strict";
  const { host } = granted;
  const { assign, create, defineProperty, hasOwn, keys } = Object;
  const { toString } = Object.prototype;
  const { isArray } = Array;
  const { isFinite } = Number;
  const { stringify } = JSON;
  const { apply } = Reflect;
  const { min } = Math;
  const { exec } = RegExp.prototype;
  const { endsWith, toLowerCase, startsWith, slice } = String.prototype;
  const { then } = Promise.prototype;
  const { setTimeout, clearTimeout } = globalThis;
  const NativePromise = Promise;
  const NativeError = Error;
  const NativeRangeError = RangeError;
  const NativeTypeError = TypeError;
  const NativeRegExp = RegExp;
  const NativeWeakSet = WeakSet;
  const { add, has } = WeakSet.prototype;
  const text = String;
  const WAITS = 100;
  const WARNINGS = 100;
  const SIP_ERROR = /^\s*([0-9]{3})(?:\s+(.*?))?\s*$/s;
  const DIGITS_ONLY = /^[0-9*#A-D]+$/;
  // What is longer than any action allows goes on cut to one more than that: the daemon refuses it by the argument's
  // name, where the whole of it would be past what one turn may ask for and end the script.
  const LONGEST_TEXT = 65_537;
  const LONGEST_ITEM = 4_097;
  const MOST_ITEMS = 101;
  const LONGEST_STACK = 500; // the author's own place is among its first lines
  const HEADERS = 100;
  const HEADER_NAME = /^[A-Za-z0-9\-.!%*_+`'~]{1,128}$/; // RFC 3261 25.1, token
  const UNPRINTABLE = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]/u;
  const LONGEST_SECONDS = 2_000_000; // a timer's own limit is 2^31 ms, and no call lasts as long
  const OPTIONS = {
    __proto__: null,
    ivr: {
      __proto__: null,
      tries: true,
      invalid_file: true,
      regexp: true,
      transfer_on_failure: true,
      type_ahead: true,
    },
    bridge: { __proto__: null, ringback: true },
    record: { __proto__: null, stereo: true },
  };

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
  const variables = create(null);
  let call = {};

  class ActionPromise extends NativePromise {
    then(fulfilled, rejected) {
      if (this.action !== undefined) this.action.awaited = true;
      return super.then(fulfilled, rejected);
    }
  }

  const refusals = new NativeWeakSet();

  // An action is refused in a turn of its own, in which nothing of the author's runs: the place is where it was made.
  const refusal = (error, stack) => {
    const { name, message } = error;
    const refused =
      name === "HangupError" ? new HangupError(message) : name === "TypeError" ? new NativeTypeError(message) : error;
    apply(add, refusals, [refused]);
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

  const cut = (value, longest) =>
    typeof value === "string" && value.length > longest ? apply(slice, value, [0, longest]) : value;

  const bounded = (value, longest) => {
    if (!isArray(value)) return cut(value, longest);
    const kept = [];
    for (let index = 0; index < min(value.length, MOST_ITEMS); index++) kept[index] = cut(value[index], LONGEST_ITEM);
    return kept;
  };

  const warn = (message, stack) => {
    if (warnings++ < WARNINGS) host("warn", [message, stack]);
  };

  // Of the options those that there are: a misspelt one would be left out without a word.
  const chosen = (kind, options) => {
    if (options === undefined || options === null) return {};
    if (typeof options !== "object" || isArray(options)) return true;
    const found = create(null);
    const names = keys(options);
    for (let index = 0; index < names.length; index++) {
      const name = names[index];
      if (OPTIONS[kind][name]) found[name] = bounded(options[name], LONGEST_ITEM);
      else warn(`ctx.${kind} has no option ${cut(name, 100)}`, new NativeError().stack);
    }
    return found;
  };

  const perform = (kind, options) => {
    if (!ask("actions")) return never();
    const names = keys(options);
    for (let index = 0; index < names.length; index++)
      options[names[index]] = bounded(options[names[index]], LONGEST_TEXT);
    const failure = new NativeError();
    const { stack } = failure;
    const made = host("perform", [kind, options, cut(stack, LONGEST_STACK)], failure);
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
      if (!made[index].awaited) warn(`ctx.${made[index].kind}() is not awaited`, made[index].stack);
    }
  };

  // ---- digits ----

  let waits = [];
  let listening = false;

  const matcher = (match) => {
    if (match === undefined || match === null || match === "") {
      throw new NativeTypeError("ctx.waitFor: match must be digits, a pattern or a function");
    }
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

  const waitFor = (match, quit, timeout) =>
    new NativePromise((resolve, reject) => {
      if (!ask("waitFor")) return;
      if (waits.length >= WAITS) throw new NativeRangeError(`more than ${WAITS} waitFor at once`);
      const wait = {
        digits: "",
        match: matcher(match),
        quit: quit === undefined || quit === null || quit === "" ? undefined : matcher(quit),
        resolve,
        reject,
      };
      wait.stack = new NativeError().stack;
      const seconds = timeout === undefined || timeout === null ? 60 : +timeout;
      if (!(seconds >= 0)) throw new NativeTypeError("ctx.waitFor: timeout must be a number of seconds");
      wait.timer = setTimeout(
        () => {
          forget(wait);
          reject(refusal(new NativeError("waitFor timed out"), wait.stack));
        },
        min(seconds, LONGEST_SECONDS) * 1000,
      );
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
  const number = (value) => (typeof value === "number" && !isFinite(value) ? text(value) : (value ?? null));

  const list = (value) => (isArray(value) ? value : [value]);

  const quoted = (value) => stringify(cut(value, 80));

  // What is refused when it is sent is refused here as well, where the script says it.
  const soundValue = (name, value) => {
    if (typeof value === "object" || typeof value === "function") {
      throw new NativeTypeError(
        `ctx.header: the header ${name} has no value that can be sent: text or a number is needed`,
      );
    }
    const written = text(value);
    if (written.length >= LONGEST_ITEM)
      throw new NativeTypeError(
        `ctx.header: the header ${name} has a value longer than ${LONGEST_ITEM - 1} characters`,
      );
    if (apply(exec, UNPRINTABLE, [written]) !== null) {
      throw new NativeTypeError(
        `ctx.header: the header ${name} has a line break or another control character in its value`,
      );
    }
  };

  class CallServer {
    constructor(correlationId) {
      if (correlationId !== undefined && correlationId !== call.id)
        throw new NativeError(`no call ${text(correlationId)} here`);
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
      if (apply(exec, HEADER_NAME, [name]) === null)
        throw new NativeTypeError(`ctx.header: ${quoted(name)} is not a SIP header name`);
      if (value !== null) soundValue(name, value);
      const kept = [];
      for (let index = 0; index < outgoing.length; index++) {
        if (apply(toLowerCase, outgoing[index][0], []) !== apply(toLowerCase, name, []))
          kept[kept.length] = outgoing[index];
      }
      if (value !== null && kept.length >= HEADERS)
        throw new NativeRangeError(`ctx.header: more than ${HEADERS} headers`);
      if (value !== null) kept[kept.length] = [name, text(value)];
      outgoing = kept;
      return text(value);
    }

    log(...values) {
      if (!ask("log lines")) return never();
      return host("log", [
        cut(values.map((value) => (typeof value === "string" ? value : text(value))).join(" "), LONGEST_ITEM),
      ]);
    }

    answer() {
      return perform("answer", { headers: outgoing });
    }

    tts(words, voice) {
      // Nobody wants to hear "undefined", or "[object Object]".
      const spoken =
        words === undefined || words === null || apply(toString, words, []) === "[object Object]" ? null : text(words);
      return perform("tts", { text: spoken, voice: voice === undefined ? "" : text(voice) });
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
        options: chosen(
          "ivr",
          options?.regexp instanceof NativeRegExp ? assign({}, options, { regexp: options.regexp.source }) : options,
        ),
      });
    }

    bridge(destination, continueOn, external, options) {
      return perform("bridge", {
        destinations: list(destination),
        continueOn: continueOn ?? false,
        external: external ?? false,
        options: chosen("bridge", options),
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
      return perform("record", { file: text(filename), stereo: chosen("record", options).stereo === true });
    }
  }

  const prepare = (input) => {
    call = input.call;
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

  return {
    prepare,
    collect,
    caught,
    rest,
    // The end of the call is nobody's mistake, and of an action that failed the call's record has a line.
    tellsRejection: (error) => !(error instanceof HangupError) && !apply(has, refusals, [error]),
    modules: { cxC5Server: CallServer },
    context: () => new CallServer(call.id),
  };
};
