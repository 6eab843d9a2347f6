// Class 4. Input: {routing, headers: [{key, value}], remove_headers: [{key}], vars, tells_unread}, and for a script that
// reads it sip: {method, uri, source, headers: [[name, value]]}.
// Result: {routing, headers: [...lists], remove_headers: [...lists], no_number, unread}, or {reject: [code, reason]}.
// no_number is [what, text] where a number is none: NaN or infinite, of which JSON would make null, a BigInt, which it cannot
// have, or a caller id or number called that was set to nothing or to a function, which it leaves out. unread, if the input
// wants it, has the keys that the script put beside those that are read. Both are mostly undefined.
(() => {
  "use strict";
  const { assign, create, defineProperty, keys, setPrototypeOf } = Object;
  const { isArray } = Array;
  const { apply, get } = Reflect;
  const { exec } = RegExp.prototype;
  const { slice, toLowerCase, trim } = String.prototype;
  const { stringify } = JSON;
  const NativeError = Error;
  const NativeTypeError = TypeError;
  const NativeProxy = Proxy;
  const text = String;
  const SIP_ERROR = /^\s*([0-9]{3})(?!\S)/;
  const UNREAD = 10; // keys told of
  const KEY_LENGTH = 100;
  const SHOWN = 40; // characters of what main returned
  const DEPTH = 10; // of a routing that a BigInt is looked for in; a gateway's rate is at 5
  const VISITS = 10_000; // values looked at on the way
  const REASON_LENGTH = 200; // of a SIP status line's reason; what a phone shows is far shorter

  // Scripts reach each of these both at data and at data.routing: one slot behind both spellings.
  let destinations;
  let headers;
  let removeHeaders;
  let listHeaders; // set on a list that the script has replaced since: they still mean every destination
  let listRemoveHeaders;
  const replaceDestinations = (value) => {
    if (isArray(destinations)) {
      listHeaders = destinations.headers ?? listHeaders;
      listRemoveHeaders = destinations.remove_headers ?? listRemoveHeaders;
    }
    destinations = value;
  };
  const slot = (get, set) => ({ __proto__: null, get, set, enumerable: true, configurable: true });
  const shared = {
    egress_routing: slot(() => destinations, replaceDestinations),
    headers: slot(
      () => headers,
      (value) => {
        headers = value;
      },
    ),
    remove_headers: slot(
      () => removeHeaders,
      (value) => {
        removeHeaders = value;
      },
    ),
  };
  const share = (object) => {
    defineProperty(object, "egress_routing", shared.egress_routing);
    defineProperty(object, "headers", shared.headers);
    defineProperty(object, "remove_headers", shared.remove_headers);
  };

  let givenDestinations;
  let givenHeaders;
  let givenRemoveHeaders;
  let givenCli;
  let givenDialled;
  let givenData;
  let givenKeys; // of data: the vars' names and the call's own; only where unread is wanted
  // By gateway id: the cli it came with, to tell one that the script set from one it left; several of one id, which is rare, by
  // an object of them.
  let givenGatewayClis;

  const eachGateway = (list, visit) => {
    for (let index = 0; index < list.length; index++) {
      const gw = list[index]?.gw;
      if (typeof gw !== "object" || gw === null) continue;
      const ids = keys(gw);
      for (let number = 0; number < ids.length; number++) {
        const gateway = gw[ids[number]];
        if (typeof gateway === "object" && gateway !== null) visit(gateway, ids[number]);
      }
    }
  };

  const noteCli = (gateway, id) => {
    if (gateway.cli === undefined) return;
    const cli = text(gateway.cli);
    const known = givenGatewayClis[id];
    if (known === undefined || known === cli) givenGatewayClis[id] = cli;
    else if (typeof known === "object") known[cli] = true;
    else {
      const several = (givenGatewayClis[id] = create(null));
      several[known] = several[cli] = true;
    }
  };

  const cameWith = (id, cli) => {
    const known = givenGatewayClis[id];
    return typeof known === "object" ? known[cli] === true : known === cli;
  };

  // data.sip.headers is the list of {key, value} in the order of the message, and read by a name it is the first value of
  // that header, however script and message spell it.
  const COMPACT = {
    __proto__: null,
    a: "accept-contact",
    b: "referred-by",
    c: "content-type",
    d: "request-disposition",
    e: "content-encoding",
    f: "from",
    i: "call-id",
    j: "reject-contact",
    k: "supported",
    l: "content-length",
    m: "contact",
    n: "identity-info",
    o: "event",
    r: "refer-to",
    s: "subject",
    t: "to",
    u: "allow-events",
    v: "via",
    x: "session-expires",
    y: "identity",
  };
  const canonical = (name) => {
    const lower = apply(toLowerCase, name, []);
    return COMPACT[lower] ?? lower;
  };
  const readByName = (list) => {
    const first = create(null);
    for (let index = 0; index < list.length; index++) {
      const header = list[index];
      first[canonical(header.key)] ??= header.value;
    }
    return new NativeProxy(list, {
      __proto__: null,
      get: (target, name, receiver) =>
        typeof name === "string" && !(name in target) ? first[canonical(name)] : get(target, name, receiver),
    });
  };
  const sipOf = (given) => {
    const list = [];
    for (let index = 0; index < given.headers.length; index++) {
      const pair = given.headers[index];
      list[index] = { key: pair[0], value: pair[1] };
    }
    return { method: given.method, uri: given.uri, source: given.source, headers: readByName(list) };
  };

  const prepare = (input) => {
    const routing = input.routing;
    givenDestinations = destinations = isArray(routing.egress_routing) ? routing.egress_routing : [];
    givenHeaders = headers = input.headers;
    givenRemoveHeaders = removeHeaders = input.remove_headers;
    givenCli = routing.cli;
    givenDialled = routing.dest_number;
    givenGatewayClis = create(null);
    eachGateway(destinations, noteCli);
    share(routing);
    const data = assign(input.sip === undefined ? {} : { sip: sipOf(input.sip) }, input.vars);
    data.routing = routing;
    share(data);
    givenData = data;
    givenKeys = input.tells_unread ? keys(data) : undefined;
    return data;
  };

  const readable = (value, what) => {
    if (value === undefined || value === null) return [];
    if (isArray(value)) return value;
    if (typeof value === "object") return [value];
    throw new NativeTypeError(`${what} must be a list`);
  };

  // Of an object that the script built itself, a spelling that is neither what was given nor in the slot is its newer
  // word. A deep copy has both spellings new: the one that still says what was given is not the one it changed.
  const newer = (current, given, outer, inner) => {
    const outerIsNew = outer !== undefined && outer !== current && outer !== given;
    const innerIsNew = inner !== undefined && inner !== current && inner !== given;
    if (outerIsNew && innerIsNew && outer !== inner) return stringify(outer) === stringify(given) ? inner : outer;
    if (outerIsNew) return outer;
    return innerIsNew ? inner : current;
  };

  const unreadOf = (outer) => {
    const names = keys(outer);
    if (outer === givenData && names.length === givenKeys.length) return undefined;
    const known = create(null);
    for (let index = 0; index < givenKeys.length; index++) known[givenKeys[index]] = true;
    const unread = setPrototypeOf([], null);
    let count = 0;
    for (let index = 0; index < names.length && count < UNREAD; index++) {
      const name = names[index];
      if (!known[name]) unread[count++] = apply(slice, name, [0, KEY_LENGTH]);
    }
    return count === 0 ? undefined : unread;
  };

  const printable = (key) => (typeof key === "string" ? apply(slice, key, [0, KEY_LENGTH]) : "without a key");

  // NaN and the infinities are the numbers that are not what they are less themselves.
  const noNumberOf = (entries) => {
    for (let index = 0; index < entries.length; index++) {
      const value = entries[index]?.value;
      if (typeof value === "number" && value - value !== 0)
        return [`the header ${printable(entries[index].key)}`, text(value)];
    }
    return undefined;
  };

  const isLeftOut = (value) => value === undefined || typeof value === "function" || typeof value === "symbol";

  const noNumber = ({ routing, headers: lists }) => {
    const first = lists[0];
    const second = lists[1];
    const { cli, dest_number: dialled, egress_routing: list } = routing;
    if (typeof cli === "number" && cli - cli !== 0) return ["cli", text(cli)];
    if (typeof dialled === "number" && dialled - dialled !== 0) return ["dest_number", text(dialled)];
    let found;
    if (first.length) found = noNumberOf(first);
    if (second.length) found ??= noNumberOf(second);
    for (let index = 0; index < list.length; index++) {
      const own = list[index]?.headers;
      if (isArray(own) && own.length) found ??= noNumberOf(own);
    }
    eachGateway(list, (gateway, id) => {
      const own = gateway.cli;
      if (typeof own === "number" ? own - own !== 0 : isLeftOut(own) && "cli" in gateway)
        found ??= [`the cli of gateway ${id}`, shown(own)];
    });
    return found;
  };

  const bigHeader = (lists) => {
    for (let number = 0; number < lists.length; number++) {
      for (let index = 0; index < lists[number].length; index++) {
        const entry = lists[number][index];
        if (typeof entry?.value === "bigint") return [`the header ${printable(entry.key)}`, `${text(entry.value)}n`];
      }
    }
    return undefined;
  };

  let visits;
  const bigIn = (value, place, depth) => {
    if (typeof value === "bigint") return [place, `${text(value)}n`];
    if (typeof value !== "object" || value === null || depth === DEPTH) return undefined;
    const names = keys(value);
    let found;
    for (let index = 0; index < names.length && found === undefined && visits-- > 0; index++) {
      const inner = value[names[index]];
      const name = names[index];
      if (name === "value" && typeof inner === "bigint" && typeof value.key === "string") {
        return [`the header ${printable(value.key)}`, `${text(inner)}n`];
      }
      found = bigIn(inner, isArray(value) ? `${place}[${name}]` : place === "" ? name : `${place}.${name}`, depth + 1);
    }
    return found;
  };

  const corrected = (collected) => {
    const wrong = collected.no_number === undefined ? noNumber(collected) : undefined;
    if (wrong === undefined) return undefined;
    collected.no_number = wrong;
    return collected;
  };

  // Asked where the result cannot be written.
  const named = (collected) => {
    visits = VISITS;
    const big = bigHeader(collected.headers) ?? bigIn(collected.routing, "", 0);
    return big === undefined ? undefined : { no_number: big };
  };

  // What JSON would leave out, and null where a number was; one that is deleted or stays as it came is none of it.
  const unset = (result, name, given) => {
    const value = result[name];
    if (value === given) return undefined;
    return value === null || (isLeftOut(value) && name in result) ? [name, shown(value)] : undefined;
  };

  const collect = (data, returned) => {
    let outer = data;
    const given = data.routing;
    let routing = given;
    if (returned !== undefined && returned !== null && returned !== data) {
      if (typeof returned !== "object" || isArray(returned)) {
        throw new NativeTypeError(
          `main returned ${shown(returned)}, and must return data, its routing object, or nothing`,
        );
      }
      if (returned.routing !== undefined) {
        outer = returned;
        routing = returned.routing;
      } else {
        routing = returned;
      }
    }
    if (typeof routing !== "object" || routing === null || isArray(routing))
      throw new NativeTypeError("routing must be an object");
    const list = newer(destinations, givenDestinations, outer.egress_routing, routing.egress_routing);
    const added = newer(headers, givenHeaders, outer.headers, routing.headers);
    const removed = newer(removeHeaders, givenRemoveHeaders, outer.remove_headers, routing.remove_headers);
    if (!isArray(list)) throw new NativeTypeError("egress_routing must be a list");
    // No prototype: a key named __proto__ is a key like others. What a partial object does not name stays as it was.
    const result = create(null);
    if (typeof given === "object" && given !== null) assign(result, given);
    if (routing !== given) assign(result, routing);
    delete result.headers;
    delete result.remove_headers;
    result.egress_routing = list;
    if (result.cli !== givenCli) {
      const left = isLeftOut(result.cli);
      eachGateway(list, (gateway, id) => {
        if (gateway.cli === undefined || !cameWith(id, text(gateway.cli))) return;
        if (left) delete gateway.cli;
        else gateway.cli = result.cli;
      });
    }
    const collected = {
      routing: result,
      headers: [
        readable(added, "headers"),
        readable(
          list.headers ?? destinations?.headers ?? listHeaders ?? givenDestinations.headers,
          "egress_routing.headers",
        ),
      ],
      remove_headers: [
        readable(removed, "remove_headers"),
        readable(
          list.remove_headers ?? destinations?.remove_headers ?? listRemoveHeaders ?? givenDestinations.remove_headers,
          "egress_routing.remove_headers",
        ),
      ],
    };
    if (result.cli !== givenCli || result.dest_number !== givenDialled) {
      const wrong = unset(result, "cli", givenCli) ?? unset(result, "dest_number", givenDialled);
      if (wrong !== undefined) collected.no_number = wrong;
    }
    if (givenKeys !== undefined) {
      const unread = unreadOf(outer);
      if (unread !== undefined) collected.unread = unread;
    }
    return collected;
  };

  const shown = (value) => {
    if (isArray(value)) return "a list";
    if (typeof value === "function") return "a function";
    return typeof value === "string" ? `"${apply(slice, value, [0, SHOWN])}"` : text(value);
  };

  const rejection = (code, reason) => {
    const status = +code;
    return status >= 300 && status <= 699 && status % 1 === 0
      ? { reject: [status, apply(slice, text(reason ?? ""), [0, REASON_LENGTH])] }
      : undefined;
  };

  const caught = (thrown) => {
    if (isArray(thrown)) return thrown.length > 0 && thrown.length <= 2 ? rejection(thrown[0], thrown[1]) : undefined;
    const message = thrown instanceof NativeError ? thrown.message : thrown;
    const match = typeof message === "string" ? apply(exec, SIP_ERROR, [message]) : null;
    return match === null ? undefined : rejection(match[1], apply(trim, apply(slice, message, [match[0].length]), []));
  };

  return { prepare, collect, corrected, named, caught, tellsUnawaited: true, tellsRejection: () => true };
})();
