// A run over HTTP. Input: {data}, the keys that came, {socket: true} where there is a web socket, and {context} where
// there is something else for the second argument; {environment} are more of process.env.
// Result: {returned}, or {reject: [status, text, name]} for an error that is an HTTP status.
//
// Host calls, where there is a web socket: socket.receive() is answered with {frame} or, once it is closed, with
// {closed: true}; socket.send(text) once the text has left; socket.close() at once.
(granted) => {
  "use strict";
  const { host } = granted;
  const { assign, freeze } = Object;
  const { isArray } = Array;
  const { stringify } = JSON;
  const { apply } = Reflect;
  const { exec } = RegExp.prototype;
  // A Script, which is synchronous, has none: and no web socket.
  const NativePromise = globalThis.Promise;
  const NativeError = Error;
  const NativeTypeError = TypeError;
  const text = String;
  const HTTP_ERROR = /^\s*([45][0-9]{2})(?:\s+(.*?))?\s*$/s;

  const then = NativePromise === undefined ? undefined : NativePromise.prototype.then;

  // ---- the web socket ----

  let hasSocket = false;
  let listening = false;
  let closed = false;
  let closing = []; // functions to be called when it is closed
  let heard = []; // of ws.on("data")
  let onData;
  let second;

  const requireSocket = () => {
    if (!hasSocket) throw new NativeError("there is no web socket: the script was not asked over one");
  };

  // In a promise of its own, which nobody awaits: what it throws is written to the console, and the socket stays.
  const deliver = (callback, value) => new NativePromise((resolve) => resolve(callback(value)));

  const received = (answer) => {
    if (answer.closed === true) {
      closed = true;
      listening = false;
      const told = closing;
      closing = [];
      for (let index = 0; index < told.length; index++) deliver(told[index]);
      return;
    }
    if (onData !== undefined) deliver(onData, answer.frame);
    for (let index = 0; index < heard.length; index++) deliver(heard[index], answer.frame);
    receive();
  };
  const receive = () => {
    apply(then, host("socket.receive", []), [received]);
  };
  const listen = () => {
    if (listening || closed) return;
    listening = true;
    receive();
  };

  const send = (value) => {
    requireSocket();
    const sent = typeof value === "string" ? value : stringify(value);
    if (typeof sent !== "string") throw new NativeTypeError("what is sent must be text, or what JSON can say");
    return host("socket.send", [sent]);
  };
  const waitForClose = () =>
    new NativePromise((resolve) => {
      requireSocket();
      if (closed) return resolve();
      closing[closing.length] = resolve;
      listen();
    });
  const close = () => {
    requireSocket();
    return host("socket.close", []);
  };
  const socket = freeze({
    send,
    close,
    on(event, callback) {
      if (typeof callback !== "function") throw new NativeTypeError("a listener must be a function");
      requireSocket();
      if (event === "data") heard[heard.length] = callback;
      else if (event === "close" && closed) deliver(callback);
      else if (event === "close") closing[closing.length] = callback;
      else if (event !== "error") throw new NativeError(`a web socket has no event ${text(event)}: data, close, error`);
      if (event !== "error") listen();
      return socket;
    },
  });

  // ---- a run ----

  const prepare = (input) => {
    hasSocket = input.socket === true;
    listening = closed = false;
    closing = [];
    heard = [];
    onData = undefined;
    second = hasSocket ? socket : input.context;
    if (input.environment !== undefined) assign(globalThis.process.env, input.environment);
    return input.data;
  };

  const defined = (find) => {
    const found = hasSocket ? find("onData") : undefined;
    if (typeof found !== "function") return;
    onData = found;
    listen();
  };

  // Of the data and what was returned.
  const collect = (...both) => ({ returned: both[1] === undefined ? null : both[1] });

  const rejection = (code, reason, name) => {
    const status = +code;
    return status >= 400 && status <= 599 && status % 1 === 0
      ? { reject: [status, reason === undefined ? "" : text(reason), name] }
      : undefined;
  };

  const caught = (thrown) => {
    if (isArray(thrown))
      return thrown.length > 0 && thrown.length <= 2 ? rejection(thrown[0], thrown[1], "Error") : undefined;
    const isError = thrown instanceof NativeError;
    const message = isError ? thrown.message : thrown;
    const match = typeof message === "string" ? apply(exec, HTTP_ERROR, [message]) : null;
    return match === null ? undefined : rejection(match[1], match[2], isError ? text(thrown.name) : "Error");
  };

  return {
    prepare,
    defined,
    collect,
    caught,
    modules: { cxWebSocket: freeze({ send, waitForClose, close }) },
    context: () => second,
    // What it waits for as long as the web socket is open is nothing that the author has left.
    get tellsUnawaited() {
      return !listening;
    },
    tellsRejection: () => true,
  };
};
