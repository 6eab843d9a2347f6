// Class 4. Input: {routing, headers: [{key, value}], remove_headers: [{key}], vars}.
// Result: {routing, headers: [...lists], remove_headers: [...lists]}, or {reject: [code, reason]}.
(() => {
  "use strict";
  const { assign, defineProperty } = Object;
  const { isArray } = Array;
  const { apply } = Reflect;
  const { exec } = RegExp.prototype;
  const NativeError = Error;
  const NativeTypeError = TypeError;
  const text = String;
  const SIP_ERROR = /^\s*([0-9]{3})(?:\s+(.*?))?\s*$/s;

  // Scripts reach each of these both at data and at data.routing: one slot behind both spellings.
  let destinations;
  let headers;
  let removeHeaders;
  const shared = {
    egress_routing: { get: () => destinations, set: (value) => { destinations = value; }, enumerable: true, configurable: true },
    headers: { get: () => headers, set: (value) => { headers = value; }, enumerable: true, configurable: true },
    remove_headers: { get: () => removeHeaders, set: (value) => { removeHeaders = value; }, enumerable: true, configurable: true },
  };
  const share = (object) => {
    defineProperty(object, "egress_routing", shared.egress_routing);
    defineProperty(object, "headers", shared.headers);
    defineProperty(object, "remove_headers", shared.remove_headers);
  };

  let givenDestinations;
  let givenCli;
  let gateways; // [gateway, the cli it came with], to tell a cli that the script set from one it left

  const prepare = (input) => {
    const routing = input.routing;
    givenDestinations = destinations = isArray(routing.egress_routing) ? routing.egress_routing : [];
    headers = input.headers;
    removeHeaders = input.remove_headers;
    givenCli = routing.cli;
    gateways = [];
    for (let index = 0; index < destinations.length; index++) {
      const gw = destinations[index]?.gw;
      if (gw) for (const id in gw) if (gw[id]) gateways[gateways.length] = [gw[id], gw[id].cli];
    }
    share(routing);
    const data = assign({}, input.vars);
    data.routing = routing;
    share(data);
    return data;
  };

  const readable = (value, what) => {
    if (value === undefined || value === null) return [];
    if (isArray(value)) return value;
    if (typeof value === "object") return [value];
    throw new NativeTypeError(`${what} must be a list`);
  };

  // Of an object that the script built itself, a spelling that differs from the slot is the script's newer word.
  const newer = (slot, outer, inner) => {
    if (outer !== undefined && outer !== slot) return outer;
    if (inner !== undefined && inner !== slot) return inner;
    return slot;
  };

  const collect = (data, returned) => {
    let outer = data;
    let routing = data.routing;
    if (returned !== undefined && returned !== null && returned !== data) {
      if (typeof returned !== "object" || isArray(returned)) {
        throw new NativeTypeError("main must return data, its routing object, or nothing");
      }
      if (returned.routing !== undefined) {
        outer = returned;
        routing = returned.routing;
      } else {
        routing = returned;
      }
    }
    if (typeof routing !== "object" || routing === null || isArray(routing)) throw new NativeTypeError("routing must be an object");
    const list = newer(destinations, outer.egress_routing, routing.egress_routing);
    const added = newer(headers, outer.headers, routing.headers);
    const removed = newer(removeHeaders, outer.remove_headers, routing.remove_headers);
    if (!isArray(list)) throw new NativeTypeError("egress_routing must be a list");
    const result = {};
    for (const key in routing) if (key !== "headers" && key !== "remove_headers") result[key] = routing[key];
    result.egress_routing = list;
    if (result.cli !== givenCli) {
      for (let index = 0; index < gateways.length; index++) {
        const [gateway, cli] = gateways[index];
        if (gateway.cli === cli && cli !== undefined) gateway.cli = result.cli;
      }
    }
    return {
      routing: result,
      headers: [readable(added, "headers"), readable(list.headers ?? givenDestinations.headers, "egress_routing.headers")],
      remove_headers: [
        readable(removed, "remove_headers"),
        readable(list.remove_headers ?? givenDestinations.remove_headers, "egress_routing.remove_headers"),
      ],
    };
  };

  const rejection = (code, reason) => {
    const status = +code;
    return status >= 300 && status <= 699 && status % 1 === 0 ? { reject: [status, text(reason ?? "")] } : undefined;
  };

  const caught = (thrown) => {
    if (isArray(thrown)) return thrown.length > 0 && thrown.length <= 2 ? rejection(thrown[0], thrown[1]) : undefined;
    const message = thrown instanceof NativeError ? thrown.message : thrown;
    const match = typeof message === "string" ? apply(exec, SIP_ERROR, [message]) : null;
    return match === null ? undefined : rejection(match[1], match[2]);
  };

  return { prepare, collect, caught };
})()
