// TLS as the host has it: the certificate and its name are verified there, whatever a script asks.
const net = require("net");
const { Buffer } = require("buffer");
const { isIP } = require("./shared/addresses");
const { host, numbered } = require("./shared/connections");
const { absent, coded, unavailable } = require("./shared/errors");

const { Socket, argumentsOf, callable, connection, reached, ready, taken } = net[Symbol.for("scriptforge.inside")];
const UNVERIFIED =
  "rejectUnauthorized: false is not available to scripts: a certificate is always verified. Give the server's own, or that of its authority, as ca, and the name in it as servername";
const OF_CLIENTS = ["cert", "key", "pfx"];

const textOf = (ca) => {
  if (ca === undefined || ca === null) return "";
  return (Array.isArray(ca) ? ca.flat() : [ca])
    .map((one) => (typeof one === "string" ? one : Buffer.from(one).toString("latin1")))
    .join("\n");
};
const protocolsOf = (given) => {
  if (!given) return [];
  if (Array.isArray(given)) return given.map(String);
  const bytes = Buffer.from(given);
  const names = [];
  for (let at = 0; at < bytes.length; at += bytes[at] + 1) names.push(bytes.latin1Slice(at + 1, at + 1 + bytes[at]));
  return names;
};

class SecureContext {
  constructor(options = {}) {
    this.context = { options };
  }
}
const createSecureContext = (options) => new SecureContext(options);

const shownName = (subject) => Object.assign(Object.create(null), subject);
const certificateOf = ({ subject, issuer, raw, ...rest }) => ({
  subject: shownName(subject),
  issuer: shownName(issuer),
  ...rest,
  raw: Buffer.from(raw.buffer, raw.byteOffset, raw.length),
});

// RFC 6125 clause 6.4.3, as Node has it: a star is all of the leftmost label, and none of a name of two.
const matches = (name, pattern) => {
  const [labels, wanted] = [name.split("."), pattern.toLowerCase().split(".")];
  if (labels.length !== wanted.length) return false;
  if (labels.slice(1).join(".") !== wanted.slice(1).join(".")) return false;
  if (wanted[0] === labels[0]) return true;
  if (wanted.length <= 2 || !wanted[0].includes("*") || wanted[0].includes("xn--")) return false;
  const [before, after, ...more] = wanted[0].split("*");
  return (
    !more.length &&
    labels[0].length >= before.length + after.length &&
    labels[0].startsWith(before) &&
    labels[0].endsWith(after)
  );
};
const checkServerIdentity = (given, cert) => {
  const name = `${given}`;
  const alternatives = cert.subjectaltname ? cert.subjectaltname.split(", ") : [];
  const of = (kind) => alternatives.filter((one) => one.startsWith(kind)).map((one) => one.slice(kind.length).trim());
  const wanted = name.replace(/\.$/, "").toLowerCase();
  let reason;
  if (isIP(wanted)) {
    const addresses = of("IP Address:");
    if (!addresses.includes(wanted)) reason = `IP: ${wanted} is not in the cert's list: ${addresses.join(", ")}`;
  } else if (of("DNS:").length || !cert.subject?.CN) {
    if (!of("DNS:").some((one) => matches(wanted, one)))
      reason = `Host: ${name}. is not in the cert's altnames: ${cert.subjectaltname}`;
  } else if (![cert.subject.CN].flat().some((one) => matches(wanted, one))) {
    reason = `Host: ${name}. is not cert's CN: ${cert.subject.CN}`;
  }
  if (reason === undefined) return undefined;
  const error = coded(
    Error,
    "ERR_TLS_CERT_ALTNAME_INVALID",
    `Hostname/IP does not match certificate's altnames: ${reason}`,
  );
  return Object.assign(error, { reason, host: name, cert });
};

class TLSSocket extends Socket {
  constructor(socket, options = {}) {
    super({ allowHalfOpen: socket ? socket.allowHalfOpen : options.allowHalfOpen, signal: options.signal });
    this.encrypted = true;
    this.authorized = false;
    this.authorizationError = null;
    this.alpnProtocol = null;
    this.servername = options.servername ?? null;
    this._options = options;
    this._over = socket;
    this._shown = undefined;
    this.secureConnecting = true;
    if (options.isServer) throw unavailable("tls.TLSSocket of a server");
    if (socket) this._take(socket);
  }

  _take(socket) {
    if (!(socket instanceof Socket) || socket instanceof TLSSocket) {
      const what = socket instanceof TLSSocket ? "TLS within TLS" : "TLS over a stream that is no net.Socket";
      process.nextTick(() => this.destroy(unavailable(what)));
      return;
    }
    this.connecting = socket.connecting;
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
    const go = () => {
      if (this.destroyed) return;
      // Nothing more is read or written of it but by this.
      socket[taken] = true;
      socket.once("scriptforge:early", () =>
        this.destroy(coded(Error, "EPROTO", "write EPROTO: the peer has sent more before TLS than was read")),
      );
      this[connection] = socket[connection];
      [this._remote, this._local] = [socket._remote, socket._local];
      if (this._host === undefined) this._host = socket._host;
      this[reached]();
    };
    if (socket.connecting) socket.once("connect", go);
    else if (socket.writableLength) socket.once("drain", go);
    else process.nextTick(go);
  }

  [reached]() {
    this.connecting = false;
    this.emit("connect");
    this.emit("ready");
    this._secure().catch((error) => this.destroy(numbered(error)));
  }

  async _secure() {
    const options = this._options;
    const context = { ...options.secureContext?.context.options, ...options };
    if (context.rejectUnauthorized === false) throw coded(Error, "ERR_OUTGOING_REFUSED", UNVERIFIED);
    for (const name of OF_CLIENTS)
      if (context[name] !== undefined && context[name] !== null) throw unavailable(`${name}: a client's certificate`);
    const name = options.servername || options.host || this._host || this._remote[0];
    const number = this[connection];
    this._shown = await host().upgrade(number, name, textOf(context.ca), protocolsOf(options.ALPNProtocols));
    if (this.destroyed) return;
    this._shown.certificate = certificateOf(this._shown.certificate);
    this.secureConnecting = false;
    this.alpnProtocol = this._shown.alpn ?? false;
    this.authorized = true;
    const wrong = options.checkServerIdentity?.(name, this.getPeerCertificate());
    if (wrong) {
      this.authorized = false;
      throw wrong;
    }
    this[ready] = true;
    this._moved();
    this.emit("secureConnect");
    this.emit("secure");
    this._begun();
  }

  _destroy(error, callback) {
    super._destroy(error, callback);
    if (this._over && !this._over.destroyed) this._over.destroy();
  }

  getPeerCertificate() {
    return this._shown === undefined ? {} : this._shown.certificate;
  }
  getCipher() {
    if (this._shown === undefined) return {};
    const { name, version } = this._shown.cipher;
    return { name, standardName: name, version };
  }
  getProtocol() {
    return this._shown === undefined ? null : this._shown.protocol;
  }
  getSession() {
    return undefined;
  }
  getTLSTicket() {
    return undefined;
  }
  isSessionReused() {
    return false;
  }
  getEphemeralKeyInfo() {
    return {};
  }
  getCertificate() {
    return {};
  }
  getFinished() {
    return undefined;
  }
  getPeerFinished() {
    return undefined;
  }
  setServername(name) {
    this._options.servername = `${name}`;
  }
  setMaxSendFragment() {
    return true;
  }
  disableRenegotiation() {}
  enableTrace() {}
}
Object.assign(TLSSocket.prototype, absent("tls.TLSSocket", ["renegotiate", "exportKeyingMaterial", "setKeyCert"]));

const connect = (...given) => {
  const [first, callback] = argumentsOf(given);
  const beside = given.find((one, index) => index > 0 && typeof one === "object" && one !== null);
  const options = { ...first, ...beside };
  const socket = new TLSSocket(options.socket, options);
  if (callback) socket.once("secureConnect", callback);
  if (options.timeout) socket.setTimeout(options.timeout);
  if (!options.socket) socket.connect({ ...options, timeout: undefined });
  return socket;
};

module.exports = {
  connect,
  TLSSocket: callable(TLSSocket),
  SecureContext: callable(SecureContext),
  createSecureContext,
  checkServerIdentity,
  rootCertificates: Object.freeze([]),
  DEFAULT_MIN_VERSION: "TLSv1.2",
  DEFAULT_MAX_VERSION: "TLSv1.3",
  DEFAULT_ECDH_CURVE: "auto",
  DEFAULT_CIPHERS: "",
  CLIENT_RENEG_LIMIT: 3,
  CLIENT_RENEG_WINDOW: 600,
  getCiphers: () => [],
  convertALPNProtocols: () => {},
  ...absent("tls", ["createServer", "Server", "createSecurePair"]),
};
