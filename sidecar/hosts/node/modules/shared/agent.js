// Who keeps sockets between requests: those of one place are one's who asks the same place again.
const EventEmitter = require("events");
const net = require("net");
const { wrongType, outOfRange } = require("./errors");

const MOST_FREE = 256;
const WITHOUT_TIMER = 1_000; // by which a server's own time is cut: what it closes in between would be a request's loss

const serverNameOf = (options, request) => {
  const header = request.getHeader("host");
  let name = options.host;
  if (header) {
    const text = `${header}`;
    if (text.startsWith("[")) {
      const end = text.indexOf("]");
      name = end < 0 ? text : text.slice(1, end);
    } else [name] = text.split(":", 1);
  }
  return net.isIP(name) ? "" : name;
};

class Agent extends EventEmitter {
  constructor(options) {
    super();
    this.defaultPort = 80;
    this.protocol = "http:";
    this.options = { __proto__: null, ...options, path: null };
    if (this.options.noDelay === undefined) this.options.noDelay = true;
    this.requests = { __proto__: null };
    this.sockets = { __proto__: null };
    this.freeSockets = { __proto__: null };
    this.keepAliveMsecs = this.options.keepAliveMsecs || 1000;
    this.keepAlive = this.options.keepAlive || false;
    this.maxSockets = this.options.maxSockets || Infinity;
    this.maxFreeSockets = this.options.maxFreeSockets || MOST_FREE;
    this.scheduling = this.options.scheduling || "lifo";
    this.maxTotalSockets = this.options.maxTotalSockets ?? Infinity;
    if (typeof this.maxTotalSockets !== "number")
      throw wrongType("maxTotalSockets", "of type number", this.maxTotalSockets);
    if (!(this.maxTotalSockets > 0)) throw outOfRange("maxTotalSockets", "> 0", this.maxTotalSockets);
    this.totalSocketCount = 0;
    this.on("free", (socket, given) => this._takeBack(socket, given));
  }

  createConnection(...given) {
    return net.createConnection(...given);
  }

  getName(options = {}) {
    let name = `${options.host || "localhost"}:${options.port || ""}:${options.localAddress || ""}`;
    if (options.family === 4 || options.family === 6) name += `:${options.family}`;
    if (options.socketPath) name += `:${options.socketPath}`;
    return name;
  }

  addRequest(request, given) {
    const options = { __proto__: null, ...given, ...this.options };
    if (options.socketPath) options.path = options.socketPath;
    if (!options.servername && options.servername !== "") options.servername = serverNameOf(options, request);
    const name = this.getName(options);
    const busy = (this.sockets[name] ??= []);
    const socket = this._takeFree(name);
    if (socket) {
      this.reuseSocket(socket, request);
      this._give(request, socket);
      busy.push(socket);
    } else if (busy.length < this.maxSockets && this.totalSocketCount < this.maxTotalSockets) {
      this.createSocket(request, options, (error, made) => {
        if (error) request.onSocket(made, error);
        else this._give(request, made);
      });
    } else {
      request._agentOptions = options;
      (this.requests[name] ??= []).push(request);
    }
  }

  _takeFree(name) {
    const free = this.freeSockets[name];
    if (!free) return undefined;
    let socket;
    while (free.length && !socket) {
      const one = this.scheduling === "fifo" ? free.shift() : free.pop();
      if (one.destroyed) continue;
      if (Date.now() < one._keptUntil) socket = one;
      else one.destroy();
    }
    if (free.length === 0) delete this.freeSockets[name];
    return socket;
  }

  _give(request, socket) {
    const usual = this.options.timeout || 0;
    request.onSocket(socket);
    const wait = request.timeout ?? usual;
    if (socket.timeout !== wait) socket.setTimeout(wait);
  }

  createSocket(request, given, callback) {
    const options = { __proto__: null, ...given, ...this.options };
    if (options.socketPath) options.path = options.socketPath;
    if (!options.servername && options.servername !== "") options.servername = serverNameOf(options, request);
    const name = this.getName(options);
    options._agentKey = name;
    options.encoding = null;
    let told = false;
    const created = (error, socket) => {
      if (told) return;
      told = true;
      if (error) {
        callback(error);
        return;
      }
      (this.sockets[name] ??= []).push(socket);
      this.totalSocketCount++;
      this._install(socket, options);
      callback(null, socket);
    };
    let made;
    try {
      made = this.createConnection(options, created);
    } catch (error) {
      process.nextTick(() => created(error));
      return;
    }
    if (typeof made?.then === "function")
      made.then(
        (socket) => created(null, socket),
        (error) => created(error),
      );
    else if (made) created(null, made);
  }

  _install(socket, options) {
    const freed = () => this.emit("free", socket, options);
    const closed = () => {
      this.totalSocketCount--;
      this.removeSocket(socket, options);
    };
    const timedOut = () => {
      for (const free of Object.values(this.freeSockets)) if (free.includes(socket)) return socket.destroy();
    };
    const removed = () => {
      this.totalSocketCount--;
      this.removeSocket(socket, options);
      socket.off("close", closed).off("free", freed).off("timeout", timedOut).off("agentRemove", removed);
    };
    socket.on("free", freed).on("close", closed).on("timeout", timedOut).on("agentRemove", removed);
  }

  // A request is done with its socket.
  _takeBack(socket, options) {
    const name = this.getName(options);
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const waiting = this.requests[name];
    if (waiting?.length) {
      const request = waiting.shift();
      if (waiting.length === 0) delete this.requests[name];
      this._give(request, socket);
      return;
    }
    const request = socket._httpMessage;
    const free = this.freeSockets[name] ?? [];
    const count = free.length + (this.sockets[name]?.length ?? 0);
    if (
      !request?.shouldKeepAlive ||
      !this.keepAlive ||
      this.totalSocketCount > this.maxTotalSockets ||
      count > this.maxSockets ||
      free.length >= this.maxFreeSockets ||
      !this.keepSocketAlive(socket)
    ) {
      socket.destroy();
      return;
    }
    this.freeSockets[name] = free;
    socket._httpMessage = null;
    this.removeSocket(socket, options);
    free.push(socket);
  }

  // Without a timer: one would be left when a script has ended. How long it is kept is looked at when it is wanted again.
  keepSocketAlive(socket) {
    const hint = /timeout=(\d+)/.exec(socket._httpMessage?.res?.headers["keep-alive"] ?? "");
    const wait = Math.min(this.options.timeout || Infinity, hint ? hint[1] * 1000 - WITHOUT_TIMER : Infinity);
    if (!(wait > 0)) return false;
    socket._keptUntil = Date.now() + wait;
    socket.setTimeout(0);
    socket._whileFree = () => socket.destroy();
    // Nobody has asked for what comes now.
    socket.on("data", socket._whileFree).on("error", socket._whileFree).on("end", socket._whileFree);
    socket.resume();
    return true;
  }

  reuseSocket(socket, request) {
    request.reusedSocket = true;
    socket.off("data", socket._whileFree).off("error", socket._whileFree).off("end", socket._whileFree);
  }

  removeSocket(socket, options) {
    const name = this.getName(options);
    for (const sockets of socket.writable ? [this.sockets] : [this.sockets, this.freeSockets]) {
      const index = sockets[name]?.indexOf(socket) ?? -1;
      if (index < 0) continue;
      sockets[name].splice(index, 1);
      if (sockets[name].length === 0) delete sockets[name];
    }
    const request = this.requests[name]?.[0];
    const busy = this.sockets[name]?.length ?? 0;
    if (
      !request ||
      busy >= this.maxSockets ||
      this.totalSocketCount >= this.maxTotalSockets ||
      this.freeSockets[name]?.length
    )
      return;
    this.requests[name].shift();
    if (this.requests[name].length === 0) delete this.requests[name];
    this.createSocket(request, request._agentOptions, (error, made) => {
      if (error) request.onSocket(null, error);
      else this._give(request, made);
    });
  }

  destroy() {
    for (const sockets of [this.freeSockets, this.sockets])
      for (const one of Object.values(sockets).flat()) one.destroy();
  }
}

module.exports = { Agent };
