const fails = (check, words = "expect(...)") => expect(check).toThrow(words);

describe("expect", () => {
  it.each([
    ["toBe", 1, 1, 2],
    ["toBe", NaN, NaN, 1],
    ["toBe", 0, 0, -0],
    ["toEqual", { a: [1, { b: 2 }], c: undefined }, { a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }],
    ["toEqual", [1, 2], [1, 2], [1, 2, 3]],
    ["toEqual", new Set([1, [2]]), new Set([[2], 1]), new Set([1])],
    ["toEqual", new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]]), new Map([["a", { b: 2 }]])],
    ["toEqual", new Date(5), new Date(5), new Date(6)],
    ["toEqual", /a/g, /a/g, /a/],
    ["toEqual", { a: 1 }, { a: expect.any(Number) }, { a: expect.any(String) }],
    ["toEqual", { a: 1, b: 2 }, expect.objectContaining({ a: 1 }), expect.objectContaining({ a: 2 })],
    ["toEqual", [3, 1, 2], expect.arrayContaining([1, 3]), expect.arrayContaining([4])],
    ["toEqual", "a text", expect.stringContaining("text"), expect.stringContaining("none")],
    ["toEqual", "a text", expect.stringMatching(/^a/), expect.not.stringMatching(/^a/)],
    ["toEqual", "a", expect.anything(), expect.any(Function)],
    ["toStrictEqual", { a: 1 }, { a: 1 }, { a: 1, b: undefined }],
    ["toMatchObject", { a: { b: 1, c: 2 }, d: 3 }, { a: { b: 1 } }, { a: { b: 2 } }],
    ["toMatchObject", [{ a: 1, b: 2 }], [{ a: 1 }], [{ a: 1 }, { a: 2 }]],
    ["toBeGreaterThan", 2, 1, 2],
    ["toBeGreaterThanOrEqual", 2, 2, 3],
    ["toBeLessThan", 2, 3, 2],
    ["toBeLessThanOrEqual", 2, 2, 1],
    ["toBeCloseTo", 0.1 + 0.2, 0.3, 0.4],
    ["toBeInstanceOf", new TypeError("x"), Error, Map],
    ["toBeTypeOf", "x", "string", "number"],
    ["toContain", [1, 2], 2, 3],
    ["toContain", "a text", "text", "none"],
    ["toContainEqual", [{ a: 1 }], { a: 1 }, { a: 2 }],
    ["toHaveLength", "abc", 3, 2],
    ["toHaveProperty", { a: { b: [7] } }, "a.b[0]", "a.c"],
    ["toMatch", "a text", /text$/, /^text/],
    ["toMatch", "a text", "ext", "none"],
    ["toThrow", () => null.x, TypeError, RangeError],
  ])("%s holds and fails, and .not is the other way round", (name, received, right, wrong) => {
    expect(received)[name](right);
    fails(() => expect(received).not[name](right), `.not.${name}`);
    expect(received).not[name](wrong);
    fails(() => expect(received)[name](wrong), name);
  });

  it.each([
    ["toBeNull", null, undefined],
    ["toBeUndefined", undefined, null],
    ["toBeDefined", 0, undefined],
    ["toBeNaN", NaN, 1],
    ["toBeTruthy", "x", 0],
    ["toBeFalsy", "", 1],
  ])("%s", (name, right, wrong) => {
    expect(right)[name]();
    expect(wrong).not[name]();
    fails(() => expect(wrong)[name]());
  });

  it("looks at the value of a property", () => {
    expect({ a: { b: 1 } }).toHaveProperty("a.b", 1);
    expect({ a: { "b.c": 1 } }).toHaveProperty(["a", "b.c"], 1);
    fails(() => expect({ a: { b: 1 } }).toHaveProperty("a.b", 2));
  });

  it("looks at an error's message", () => {
    const broken = () => {
      throw new RangeError("out of reach");
    };
    expect(broken).toThrow("reach");
    expect(broken).toThrow(/^out/);
    expect(broken).toThrow(new Error("out of reach"));
    expect(() => 1).not.toThrow();
    fails(() => expect(broken).toThrow("near"));
    fails(() => expect(() => 1).toThrow());
    fails(() => expect(1).toThrow(), "asked of a function");
  });

  it("waits for promises", async () => {
    await expect(Promise.resolve(5)).resolves.toBe(5);
    await expect(async () => 5).resolves.not.toBe(6);
    await expect(Promise.reject(new Error("no"))).rejects.toThrow("no");
    await expect(Promise.reject([404, "x"])).rejects.toEqual([404, "x"]);
    await expect(expect(Promise.resolve(5)).rejects.toThrow()).rejects.toThrow("expect(...).rejects");
    await expect(expect(Promise.reject(1)).resolves.toBe(1)).rejects.toThrow("expect(...).resolves");
    await expect(expect(Promise.resolve(5)).resolves.toBe(6)).rejects.toMatchObject({ expected: "6", received: "5" });
  });

  it("compares what lies in itself", () => {
    const ring = (value) => {
      const made = { value };
      made.self = made;
      return made;
    };
    expect(ring(1)).toEqual(ring(1));
    expect(ring(1)).not.toEqual(ring(2));
    fails(() => expect(ring(1)).toBe(2));
  });
});

describe("fn", () => {
  it("remembers its calls and does what it is told", async () => {
    const made = fn((value) => value + 1);
    expect(made(1)).toBe(2);
    made.mockReturnValueOnce(7).mockReturnValue(8);
    expect([made(), made(), made()]).toEqual([7, 8, 8]);
    expect(made).toHaveBeenCalledTimes(4);
    expect(made).toHaveBeenCalledWith(1);
    expect(made).toHaveBeenNthCalledWith(1, 1);
    expect(made).toHaveBeenLastCalledWith();
    expect(made.mock.results[0]).toEqual({ type: "return", value: 2 });
    fails(() => expect(made).toHaveBeenCalledWith(2), "toHaveBeenCalledWith");
    made.mockClear();
    expect(made).not.toHaveBeenCalled();
    await expect(fn().mockRejectedValue(new Error("gone"))()).rejects.toThrow("gone");
    fails(() => expect(() => 1).toHaveBeenCalled(), "fn() or fake()");
  });
});

describe("hooks", () => {
  const order = [];
  beforeAll(() => order.push("all"));
  beforeEach(() => order.push("each"));
  afterEach(() => order.push("after"));
  describe("within", () => {
    beforeEach(() => order.push("inner each"));
    afterEach(() => order.push("inner after"));
    afterAll(() => order.push("inner all"));
    it("come from the outside in", () => expect(order).toEqual(["all", "each", "inner each"]));
  });
  it("and go the other way", () => {
    expect(order.slice(3)).toEqual(["inner after", "after", "inner all", "each"]);
  });
});

describe("names of rows", () => {
  const seen = [];
  it.each([{ number: "44", country: { name: "UK" } }])("$number is $country.name, $none", ({ number }) =>
    seen.push(number),
  );
  it.each(["a"])("%s %% %#", (value) => seen.push(value));
  it("are given their values", () => expect(seen).toEqual(["44", "a"]));
});

describe.skip("a describe that is skipped", () => {
  it("is not run", () => {
    throw new Error("ran");
  });
});
it.todo("is thought of");
