// Answers of HTTP/1.1 (RFC 9112), bytes in and events out, with the errors of Node's parser (llhttp). Whoever feeds it has the
// connection. All that is held is a line that has not ended, and the head of a message, which is bounded.
const { Buffer } = require("buffer");

const HEADER_BYTES = 16384; // of a head, and of trailers (http.maxHeaderSize)
const HEADERS = 2000; // of a head (Node's default of maxHeadersCount), those past it are left out
const EXTENSION_BYTES = 16384; // of the extensions of all chunks of a message (CVE-2024-22019)
const LF = 10;
const CR = 13;
const NOTHING = Buffer.alloc(0);
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NO_VALUE = /[\0-\x08\x0a-\x1f\x7f]/; // RFC 9110 clause 5.5, and what Node takes beside it: bytes from 0x80 on
const VERSION = /^HTTP\/([0-9])\.([0-9])/;
const VERSIONS = ["0.9", "1.0", "1.1", "2.0"];
const CHUNK_SIZE = /^([0-9a-fA-F]+)(;.*)?$/s;
// RFC 9112 clause 7.1.1
const NAME = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";
const QUOTED = '"(?:[\\t\\x20-\\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
const EXTENSIONS = new RegExp(`^(?:;(?:${NAME}+|(?==))(?:=(?:${NAME}*|${QUOTED}))?)*$`);
const DIGITS = /^[0-9]* *$/;

class ParseError extends Error {
  constructor(code, reason) {
    super(`Parse Error: ${reason}`);
    this.code = code;
    this.reason = reason;
    this.bytesParsed = 0;
  }
}

const valuesOf = (headers, name) => {
  const found = [];
  for (let index = 0; index < headers.length; index += 2)
    if (headers[index].toLowerCase() === name) found.push(headers[index + 1]);
  return found;
};
const tokensOf = (headers, name) =>
  valuesOf(headers, name).flatMap((value) => value.split(",").map((one) => one.trim().toLowerCase()));

const isInformational = (statusCode) => statusCode >= 100 && statusCode < 200;

class ResponseParser {
  // `handler` has head({ versionMajor, versionMinor, statusCode, statusMessage, headers, keepsAlive, upgrade }), which
  // gives whether there is no body whatever the head says; body(bytes), trailers(headers), end().
  constructor(handler, maxHeaderSize = HEADER_BYTES) {
    this._handler = handler;
    this._most = maxHeaderSize;
    this._state = "status";
    this._line = NOTHING;
    this._headers = [];
    this._headBytes = 0;
    this._left = 0;
    this._extensionBytes = 0;
    this.upgraded = false;
  }

  // Takes bytes; gives how many of them were its message's, which are all but where the connection is another protocol's
  // from there on. Throws a ParseError, after which it takes nothing more.
  execute(bytes) {
    let at = 0;
    while (at < bytes.length && !this.upgraded) {
      switch (this._state) {
        case "failed":
          throw this._error;
        case "body":
          at = this._takeBody(bytes, at, Math.min(bytes.length, at + this._left));
          break;
        case "closed":
          // Empty lines are passed over here as well.
          if (bytes[at] !== CR && bytes[at] !== LF)
            this._fail("HPE_CLOSED_CONNECTION", "Data after `Connection: close`");
          at++;
          break;
        case "rest":
          at = this._takeBody(bytes, at, bytes.length);
          break;
        default:
          at = this._takeLine(bytes, at);
      }
    }
    return at;
  }

  // The connection has ended: that is the end of a message, or of none, or throws a ParseError.
  finish() {
    if (this._state === "rest") {
      this._finishMessage();
      return;
    }
    if (!this.isWithin) return;
    if (this._state === "failed") throw this._error;
    // What is wrong in a line is so before it has ended.
    if (this._line.length) this._takeText(this._line.toString("latin1"), false);
    this._fail("HPE_INVALID_EOF_STATE", "Invalid EOF state");
  }

  // Whether a message has begun and not ended.
  get isWithin() {
    return this._state !== "closed" && (this._state !== "status" || this._line.some((byte) => byte !== CR));
  }

  _fail(code, reason) {
    this._state = "failed";
    this._error = new ParseError(code, reason);
    throw this._error;
  }

  _takeBody(bytes, at, end) {
    if (this._state === "body") this._left -= end - at;
    if (end > at) this._handler.body(bytes.subarray(at, end));
    if (this._state === "body" && this._left === 0) {
      if (this._chunked) this._state = "chunk end";
      else this._finishMessage();
    }
    return end;
  }

  _takeLine(bytes, at) {
    const found = bytes.indexOf(LF, at);
    const end = found < 0 ? bytes.length : found + 1;
    const piece = bytes.subarray(at, end);
    this._count(piece.length);
    const line = this._line.length ? Buffer.concat([this._line, piece]) : piece;
    if (found < 0) {
      this._line = Buffer.from(line);
      this._foresee(line);
      return end;
    }
    this._line = NOTHING;
    this._takeText(Buffer.from(line.buffer, line.byteOffset, line.length - 1).toString("latin1"), true);
    return end;
  }

  _count(size) {
    if (this._state === "chunk size" || this._state === "chunk end") {
      this._extensionBytes += size;
      if (this._extensionBytes - 20 > EXTENSION_BYTES + this._chunks * 20)
        this._fail("HPE_CHUNK_EXTENSIONS_OVERFLOW", "Chunk extensions overflow");
      return;
    }
    this._headBytes += size;
    if (this._headBytes > this._most) this._fail("HPE_HEADER_OVERFLOW", "Header overflow");
  }

  // Whoever speaks another protocol need not end its line to be known.
  _foresee(line) {
    if (this._state !== "status") return;
    let at = 0;
    while (at < line.length && (line[at] === CR || line[at] === LF)) at++;
    const begun = Buffer.from(line.subarray(at, at + 5)).toString("latin1");
    if (!"HTTP/".startsWith(begun)) this._failAsOther(begun);
  }

  _failAsOther(begun) {
    this._fail("HPE_INVALID_CONSTANT", begun[0] === "H" ? "Expected HTTP/" : "Expected HTTP/, RTSP/ or ICE/");
  }

  // A line without its LF, or what there is of one that has none: of that it is only seen whether it is wrong already.
  _takeText(line, ends) {
    const cut = line.indexOf("\r");
    const hasReturn = cut >= 0;
    const isBroken = hasReturn && cut < line.length - 1; // by a CR with something else behind it than LF
    const text = hasReturn ? line.slice(0, cut) : line;
    switch (this._state) {
      case "status":
        // Empty lines before a message are passed over (RFC 9112 clause 2.2).
        if (line.replaceAll("\r", "") === "") this._headBytes = 0;
        else this._takeStatus(line.replace(/^\r+/, ""), ends);
        return;
      case "header":
      case "trailer":
        this._takeHeader(text, hasReturn, isBroken, ends);
        return;
      case "chunk size":
        this._takeChunkSize(text, hasReturn, isBroken, ends);
        return;
      default:
        if (text !== "" || isBroken) this._fail("HPE_STRICT", "Expected LF after chunk data");
        if (ends && !hasReturn) this._fail("HPE_CR_EXPECTED", "Missing expected CR after chunk data");
        if (ends) this._state = "chunk size";
    }
  }

  _takeStatus(line, ends) {
    const begins = line.slice(0, 5);
    if (!(ends ? begins === "HTTP/" : "HTTP/".startsWith(begins))) this._failAsOther(begins);
    const version = VERSION.exec(line);
    if (version === null) {
      const [major, dot] = [line[5], line[6]];
      if (major !== undefined && !/[0-9]/.test(major)) this._fail("HPE_INVALID_VERSION", "Invalid major version");
      if (dot !== undefined && dot !== ".") this._fail("HPE_INVALID_VERSION", "Expected dot");
      if (ends || line.length > 7)
        this._fail("HPE_INVALID_VERSION", `Invalid ${major === undefined ? "major" : "minor"} version`);
      return;
    }
    const [, major, minor] = version;
    if (!VERSIONS.includes(`${major}.${minor}`)) this._fail("HPE_INVALID_VERSION", "Invalid HTTP version");
    const rest = line.slice(8);
    if (rest[0] !== " ") {
      if (rest !== "" || ends) this._fail("HPE_INVALID_VERSION", "Expected space after version");
      return;
    }
    const status = rest.slice(1, 4);
    const digits = /^[0-9]*/.exec(status)[0];
    if (digits.length < 3 && (ends || digits.length < status.length))
      this._fail("HPE_INVALID_STATUS", "Invalid status code");
    if (digits.length < 3) return;
    const [next] = rest.slice(4);
    if (next === undefined ? ends : next !== " " && next !== "\r")
      this._fail("HPE_INVALID_STATUS", "Invalid response status");
    const reason = rest.slice(next === " " ? 5 : 4);
    const cut = reason.indexOf("\r");
    if (cut >= 0 && cut < reason.length - 1) this._fail("HPE_STRICT", "Expected LF after CR");
    if (!ends) return;
    if (cut < 0) this._fail("HPE_CR_EXPECTED", "Missing expected CR after response line");
    this._head = {
      versionMajor: +major,
      versionMinor: +minor,
      statusCode: +digits,
      statusMessage: reason.slice(0, cut),
    };
    this._headers = [];
    this._seen = { length: false, coding: false };
    this._state = "header";
  }

  _takeHeader(text, hasReturn, isBroken, ends) {
    if (text === "") {
      if (isBroken) this._fail("HPE_STRICT", "Expected LF after headers");
      if (!ends) return;
      if (!hasReturn) this._fail("HPE_INVALID_HEADER_TOKEN", "Invalid header field char");
      if (this._state === "trailer") {
        if (this._headers.length) this._handler.trailers(this._headers);
        this._finishMessage();
      } else this._finishHead();
      return;
    }
    if (text[0] === " " || text[0] === "\t") {
      // A line that is folded, which is obsolete (RFC 9112 clause 5.2).
      if (this._headers.length === 0 && text[0] === " ")
        this._fail("HPE_UNEXPECTED_SPACE", "Unexpected space after start line");
      if (this._headers.length === 0) this._fail("HPE_INVALID_HEADER_TOKEN", "Invalid header token");
      this._fail("HPE_INVALID_HEADER_TOKEN", "Unexpected whitespace after header value");
    }
    const colon = text.indexOf(":");
    const name = colon < 0 ? text : text.slice(0, colon);
    if (!TOKEN.test(name) || (colon < 0 && (ends || hasReturn)))
      this._fail("HPE_INVALID_HEADER_TOKEN", "Invalid header token");
    if (colon < 0) return;
    const value = text.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    this._takeFraming(name.toLowerCase(), text.slice(colon + 1).trimStart());
    if (NO_VALUE.test(value)) this._fail("HPE_INVALID_HEADER_TOKEN", "Invalid header value char");
    if (isBroken)
      this._fail(
        ...(value === ""
          ? ["HPE_STRICT", "Expected LF after CR"]
          : ["HPE_LF_EXPECTED", "Missing expected LF after header value"]),
      );
    if (!ends) return;
    if (!hasReturn)
      this._fail(
        ...(value === ""
          ? ["HPE_INVALID_HEADER_TOKEN", "Invalid header value char"]
          : ["HPE_CR_EXPECTED", "Missing expected CR after header value"]),
      );
    if (this._state === "header" && name.toLowerCase() === "content-length") {
      if (value === "") this._fail("HPE_INVALID_CONTENT_LENGTH", "Empty Content-Length");
      if (+value > Number.MAX_SAFE_INTEGER) this._fail("HPE_INVALID_CONTENT_LENGTH", "Content-Length overflow");
    }
    if (this._headers.length < 2 * HEADERS) this._headers.push(name, value);
  }

  // What says where a message ends is said once and in one way (RFC 9112 clause 6.3).
  _takeFraming(name, value) {
    if (name === "content-length") {
      if (this._seen.length) this._fail("HPE_UNEXPECTED_CONTENT_LENGTH", "Duplicate Content-Length");
      if (this._seen.coding)
        this._fail("HPE_INVALID_CONTENT_LENGTH", "Content-Length can't be present with Transfer-Encoding");
      if (!DIGITS.test(value)) this._fail("HPE_INVALID_CONTENT_LENGTH", "Invalid character in Content-Length");
      this._seen.length = true;
    } else if (name === "transfer-encoding") {
      if (this._seen.length)
        this._fail("HPE_INVALID_TRANSFER_ENCODING", "Transfer-Encoding can't be present with Content-Length");
      // Node takes it for another coding.
      if (/chunked[ \t]+$/i.test(value)) this._fail("HPE_INVALID_TRANSFER_ENCODING", "Invalid Transfer-Encoding");
      this._seen.coding = true;
    }
  }

  _finishHead() {
    const head = this._head;
    const headers = this._headers;
    const codings = tokensOf(headers, "transfer-encoding");
    const lengths = valuesOf(headers, "content-length");
    const chunked = codings.at(-1) === "chunked";
    const options = tokensOf(headers, "connection");
    const { statusCode, versionMajor, versionMinor } = head;
    const bare = isInformational(statusCode) || statusCode === 204 || statusCode === 304;
    const framed = bare || chunked || (lengths.length > 0 && codings.length === 0);
    const persists = versionMajor > 0 && versionMinor > 0 ? !options.includes("close") : options.includes("keep-alive");
    head.headers = headers;
    head.upgrade = statusCode === 101 && options.includes("upgrade") && valuesOf(headers, "upgrade").length > 0;
    head.keepsAlive = persists && framed;
    this._headers = [];
    this._headBytes = 0;
    this._chunks = this._extensionBytes = 0;
    this._chunked = chunked;
    const skips = this._handler.head(head);
    if (head.upgrade || skips === "upgrade") {
      this.upgraded = true;
      this._state = "status";
    } else if (skips || bare) this._finishMessage();
    else if (chunked) this._state = "chunk size";
    else if (codings.length === 0 && lengths.length) {
      this._left = +lengths[0];
      this._state = "body";
      if (this._left === 0) this._finishMessage();
    } else this._state = "rest";
  }

  _takeChunkSize(text, hasReturn, isBroken, ends) {
    const found = CHUNK_SIZE.exec(text);
    if (found === null && (text !== "" || ends || hasReturn))
      this._fail("HPE_INVALID_CHUNK_SIZE", "Invalid character in chunk size");
    if (found === null) return;
    const [, digits, extension] = found;
    const size = parseInt(digits, 16);
    if (size > Number.MAX_SAFE_INTEGER) this._fail("HPE_INVALID_CHUNK_SIZE", "Chunk size overflow");
    if (extension !== undefined && !EXTENSIONS.test(extension))
      this._fail("HPE_STRICT", "Invalid character in chunk extensions");
    if (isBroken) this._fail("HPE_STRICT", "Expected LF after chunk size");
    if (!ends) return;
    if (!hasReturn) this._fail("HPE_CR_EXPECTED", "Missing expected CR after chunk size");
    this._chunks++;
    if (size === 0) {
      this._state = "trailer";
      return;
    }
    this._left = size;
    this._state = "body";
  }

  _finishMessage() {
    this._state = this._head.keepsAlive ? "status" : "closed";
    this._headBytes = 0;
    this._headers = [];
    this._handler.end();
  }
}

module.exports = { HEADER_BYTES, ParseError, ResponseParser, TOKEN, isInformational };
