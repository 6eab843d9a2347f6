// Names, asked of the host: it tells the addresses that a script may connect to, and no others.
const { isIP } = require("./shared/addresses");
const { host, numbered } = require("./shared/connections");
const { absent, checkFunction, coded, wrongType, wrongValue } = require("./shared/errors");

const ABSENT = ["resolveAny", "resolveCaa", "resolveCname", "resolveMx", "resolveNaptr", "resolveNs", "resolvePtr"];
const ABSENT_AS_WELL = ["resolveSoa", "resolveSrv", "resolveTxt", "reverse", "lookupService", "setServers"];
const CODES = {
  NODATA: "ENODATA",
  FORMERR: "EFORMERR",
  SERVFAIL: "ESERVFAIL",
  NOTFOUND: "ENOTFOUND",
  NOTIMP: "ENOTIMP",
  REFUSED: "EREFUSED",
  BADQUERY: "EBADQUERY",
  BADNAME: "EBADNAME",
  BADFAMILY: "EBADFAMILY",
  TIMEOUT: "ETIMEOUT",
  CANCELLED: "ECANCELLED",
};
const FAMILIES = { 0: 0, 4: 4, 6: 6, IPv4: 4, IPv6: 6 };
const FLAGS = { ADDRCONFIG: 32, V4MAPPED: 8, ALL: 16 };

const optionsOf = (given) => {
  const options = typeof given === "object" && given !== null ? given : { family: given };
  const { family = 0, all = false, order, verbatim } = options;
  if (FAMILIES[family] === undefined)
    throw wrongValue(typeof given === "object" ? "options.family" : "family", family, "must be one of: 0, 4, 6");
  return { family: FAMILIES[family], all, order: order ?? (verbatim === false ? "ipv4first" : "verbatim") };
};
const ordered = (found, order) =>
  order === "verbatim"
    ? found
    : found.toSorted((one, other) => (order === "ipv4first" ? 1 : -1) * (one.family - other.family));

const found = async (hostname, { family, order }) => {
  const literal = isIP(hostname);
  if (literal) return [{ address: hostname, family: literal }];
  let addresses;
  try {
    addresses = await host().addresses(hostname);
  } catch (error) {
    throw Object.assign(numbered(error), { hostname });
  }
  const wanted = addresses.filter((one) => family === 0 || one.family === family);
  if (wanted.length) return ordered(wanted, order);
  const error = coded(Error, "ENOTFOUND", `getaddrinfo ENOTFOUND ${hostname}`);
  throw numbered(Object.assign(error, { syscall: "getaddrinfo" }), { hostname });
};

const checkName = (hostname) => {
  if (typeof hostname !== "string") throw wrongType("hostname", "of type string", hostname);
};

const lookup = (hostname, given, callback = given) => {
  const options = optionsOf(typeof given === "function" ? {} : (given ?? {}));
  checkFunction("callback", callback);
  if (hostname) checkName(hostname);
  const asked = hostname ? found(hostname, options) : Promise.resolve([]);
  asked.then(
    (addresses) => {
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]?.address ?? null, addresses[0]?.family ?? (options.family || 4));
    },
    (error) => callback(error),
  );
  return {};
};
const lookupPromise = async (hostname, given = {}) => {
  const options = optionsOf(given);
  checkName(hostname);
  const addresses = await found(hostname, options);
  return options.all ? addresses : addresses[0];
};

const resolved = async (hostname, family) => {
  checkName(hostname);
  try {
    const addresses = await host().addresses(hostname);
    const wanted = addresses.filter((one) => one.family === family).map(({ address }) => address);
    if (wanted.length) return wanted;
  } catch (error) {
    if (error.code === "ERR_OUTGOING_REFUSED") throw error;
  }
  const syscall = family === 4 ? "queryA" : "queryAaaa";
  throw Object.assign(coded(Error, "ENOTFOUND", `${syscall} ENOTFOUND ${hostname}`), { syscall, hostname });
};
const RECORDS = { A: 4, AAAA: 6 };
const resolvePromise = async (hostname, type = "A") => {
  if (RECORDS[type] === undefined) throw wrongValue("rrtype", type);
  return resolved(hostname, RECORDS[type]);
};
const calledBack = (asked, callback) => {
  checkFunction("callback", callback);
  asked.then(
    (value) => callback(null, value),
    (error) => callback(error),
  );
};
const last = (values) => values.find((value) => typeof value === "function");
const resolve4 = (hostname, ...rest) => calledBack(resolved(hostname, 4), last(rest));
const resolve6 = (hostname, ...rest) => calledBack(resolved(hostname, 6), last(rest));
const resolve = (hostname, type, callback = type) =>
  calledBack(resolvePromise(hostname, typeof type === "string" ? type : "A"), callback);

const names = [...ABSENT, ...ABSENT_AS_WELL];
class Resolver {
  cancel() {}
  getServers() {
    return [];
  }
}
Object.assign(Resolver.prototype, { resolve, resolve4, resolve6 }, absent("dns.Resolver", names));
const promises = {
  lookup: lookupPromise,
  resolve: resolvePromise,
  resolve4: (hostname) => resolved(hostname, 4),
  resolve6: (hostname) => resolved(hostname, 6),
  getServers: () => [],
  getDefaultResultOrder: () => "verbatim",
  ...absent("dns.promises", names),
  ...CODES,
};
promises.Resolver = class PromisesResolver extends Resolver {};
Object.assign(promises.Resolver.prototype, {
  resolve: resolvePromise,
  resolve4: promises.resolve4,
  resolve6: promises.resolve6,
});

module.exports = {
  lookup,
  resolve,
  resolve4,
  resolve6,
  Resolver,
  promises,
  getServers: () => [],
  getDefaultResultOrder: () => "verbatim",
  setDefaultResultOrder: () => {},
  ...absent("dns", names),
  ...CODES,
  ...FLAGS,
};
