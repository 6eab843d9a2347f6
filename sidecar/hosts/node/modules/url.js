// Node's url: the older one as the package of that name has it, the other by the realm's own classes.
const legacy = require("url/");
const { coded, wrongType } = require("./shared/errors");

const { parse } = legacy.Url.prototype;
// As Node has it: of no query there is no text either.
legacy.Url.prototype.parse = function (url, parsesQuery, ...more) {
  if (typeof url !== "string") throw wrongType("url", "of type string", url);
  const parsed = parse.call(this, url, parsesQuery, ...more);
  if (this.search === "") this.search = null;
  return parsed;
};
const legacyFormat = legacy.format;
const format = (given, { auth = true, fragment = true, search = true } = {}) => {
  if (!(given instanceof URL)) return legacyFormat(given);
  const credentials = auth && given.username ? `${given.username}${given.password ? `:${given.password}` : ""}@` : "";
  const host = given.host || given.protocol === "file:" ? `//${credentials}${given.host}` : "";
  return `${given.protocol}${host}${given.pathname}${search ? given.search : ""}${fragment ? given.hash : ""}`;
};

const fileURLToPath = (given) => {
  const url = typeof given === "string" ? new URL(given) : given;
  if (!(url instanceof URL)) throw wrongType("path", "of type string or an instance of URL", given);
  if (url.protocol !== "file:") throw coded(TypeError, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
  if (url.hostname !== "")
    throw coded(TypeError, "ERR_INVALID_FILE_URL_HOST", 'File URL host must be "localhost" or empty on linux');
  if (/%2f/i.test(url.pathname))
    throw coded(TypeError, "ERR_INVALID_FILE_URL_PATH", "File URL path must not include encoded / characters");
  return decodeURIComponent(url.pathname);
};
const ESCAPED = { "%": "%25", "\\": "%5C", "\n": "%0A", "\r": "%0D", "\t": "%09", "?": "%3F", "#": "%23" };
const pathToFileURL = (path) => {
  const { resolve } = require("path");
  const whole = resolve(path) + (path.endsWith("/") && path.length > 1 ? "/" : "");
  return new URL(`file://${whole.replace(/[%\\\n\r\t?#]/g, (one) => ESCAPED[one])}`);
};
const urlToHttpOptions = (url) => {
  const options = {
    __proto__: null,
    protocol: url.protocol,
    hostname: url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname,
    hash: url.hash,
    search: url.search,
    pathname: url.pathname,
    path: `${url.pathname || ""}${url.search || ""}`,
    href: url.href,
  };
  if (url.port !== "") options.port = Number(url.port);
  if (url.username || url.password)
    options.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return options;
};
const hostOf = (domain) => {
  try {
    return new URL(`ws://${domain}`).hostname;
  } catch {
    return "";
  }
};

module.exports = {
  Url: legacy.Url,
  URL,
  URLSearchParams,
  parse: legacy.parse,
  resolve: legacy.resolve,
  resolveObject: legacy.resolveObject,
  format,
  fileURLToPath,
  pathToFileURL,
  urlToHttpOptions,
  domainToASCII: hostOf,
  domainToUnicode: (domain) => require("punycode").toUnicode(hostOf(domain)),
};
