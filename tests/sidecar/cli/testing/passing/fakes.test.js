const call = { routing: { cli: "1", dest_number: "442", account_id: 1207, egress_routing: [] } };
const counter = script("scripts/counter.js");

describe("a store in memory", () => {
  it("counts over calls, and forgets by the script's clock", async () => {
    const { kv, incr } = fake("cxKV");
    const at = (minute) => counter.route(call, { now: `2026-01-01T10:${minute}Z` });
    expect((await at("00")).routing.dest_number).toBe("1");
    expect((await at("00")).routing.dest_number).toBe("2");
    expect(await at("01")).toMatchObject({ code: 486 });
    expect(await at("05")).toMatchObject({ code: 403, reason: "Blocked" });
    expect((await at("12")).routing.dest_number).toBe("1");
    expect(incr).toHaveBeenCalledTimes(4);
    expect(incr).toHaveBeenLastCalledWith("calls:1", 1, 120);
    expect(await kv.get("calls:1")).toBe("1");
  });

  it("has what was put into it", async () => {
    const { kv, ko, keys, usage, incr } = fake("cxKV");
    await kv.set("blocked:1", "1");
    expect(await counter.route(call)).toMatchObject({ code: 403 });
    await ko.set("o", { a: [1] });
    expect(await ko.get("o")).toEqual({ a: [1] });
    expect(await kv.get("none")).toBeNull();
    expect(await keys()).toEqual(["blocked:1", "o"]);
    expect(await usage()).toMatchObject({ keys: 2 });
    await kv.del("blocked:1");
    await expect(incr("o")).rejects.toThrow("no integer");
    await expect(kv.set("o", {})).rejects.toThrow(TypeError);
  });

  it("is another one in each test", async () => {
    expect(await fake("cxKV").keys()).toEqual([]);
  });
});

describe("a module that a test plays", () => {
  it("gives what its functions give, without an await in between", async () => {
    const get = fn().mockResolvedValue([{ did: "4420100" }, { did: "4420101" }]);
    const rest = fake("cxRest", { auth: () => ({ get }) });
    const numbers = script("scripts/numbers.js", { environment: { cx_api_user: "kim" } });
    expect((await numbers.route(call)).routing.cli).toBe("4420101");
    expect(rest.auth).toHaveBeenCalledWith("kim");
    expect(get).toHaveBeenCalledWith("did", { customer_id: 1207 });
    get.mockResolvedValue([]);
    expect(await numbers.route(call)).toMatchObject({ code: 403, reason: "No Number" });
  });

  it("throws what its functions throw", async () => {
    const broken = { incr: () => Promise.reject(new TypeError("the store is gone")), kv: { get: async () => null } };
    fake("cxKV", broken);
    expect((await counter.route(call)).failure).toMatchObject({ message: "TypeError: the store is gone" });
  });

  it("may never answer, which costs the script its time", async () => {
    fake("cxKV", { incr: () => new Promise(() => {}), kv: { get: () => new Promise(() => {}) } });
    expect(await counter.route(call, { timeout_ms: 300 })).toMatchObject({ outcome: "timed_out", code: 503 });
  });

  it("is said to be missing", async () => {
    await expect(counter.route(call)).rejects.toThrow("there is no module 'cxKV'");
    expect(() => fake("cxMail")).toThrow("what it does is to be said");
    fake("cxC5Server", {});
    await expect(counter.route(call)).rejects.toThrow("the call itself");
  });
});

describe("what beforeEach fakes", () => {
  let store;
  beforeAll(() => fake("cxKV", { kv: { get: async () => "1" }, incr: async () => 9 }));
  it("beforeAll's is there", async () => expect(await counter.route(call)).toMatchObject({ code: 403 }));
  describe("within", () => {
    beforeEach(() => {
      store = fake("cxKV");
    });
    it("stands in its place", async () => {
      expect((await counter.route(call)).routing.dest_number).toBe("1");
      expect(store.kv.get).toHaveBeenCalled();
    });
  });
});
