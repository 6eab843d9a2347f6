// What a file of tests, *.test.js, finds around it, for editors. `scriptforge types --write .` puts this file beside your
// scripts; `scriptforge test` runs the tests.

declare namespace ScriptForge {
  /** Settings of a script under test; those of one run stand in place of those that `script` was given. */
  interface TestSettings {
    /** The assignment's vars, or a TOML file that has them. */
    vars?: Record<string, any> | string;
    /** The script's own, of `process.env`. */
    environment?: Record<string, string>;
    /** What the script is; by default an App if it uses what only an App may, else a Script. */
    kind?: "script" | "app" | "driver";
    /** When the run begins: `2026-10-25T09:00+01:00` or `2026-10-25 09:00 Europe/Berlin`. By default now. */
    now?: string;
    /** Of the script's own time; by default the configuration's. */
    timeout_ms?: number;
  }

  interface CallSettings extends TestSettings {
    /** What the caller does: `1,wait 2,1234#,hangup`, or a list of such parts. */
    keys?: string | string[];
    /** The caller. */
    from?: string;
    /** The number dialled. */
    to?: string;
    /** Of the INVITE. */
    headers?: Record<string, string> | [string, string][];
    /** A directory with `user/` and `ivr/`: files that are not there then fail. */
    sounds?: string;
  }

  /** What a switch is told about a call. */
  interface TestDecision {
    action: "route" | "reject";
    /** SIP status of a reject; 0 for a route. */
    code: number;
    reason: string;
    outcome:
      "returned" | "sip_error" | "script_error" | "timed_out" | "out_of_memory" | "crashed" | "refused" | "cancelled";
    routing: Routing;
    /** Of all destinations: names and values added, and names removed. */
    headers: { add: [string, string][]; remove: string[] };
    failure: { outcome: string; message: string; location: string } | null;
    console: { script: string; level: string; text: string }[];
  }

  /** What came of a call on the scripted phone. */
  interface TestCall {
    outcome: TestDecision["outcome"] | "hung_up";
    /** What the script did, a line each: `answers`, `says Welcome`, `plays user/menu.wav`, `bridges user/alice`. */
    did: string[];
    /** The texts that it spoke. */
    said: string[];
    /** The files that it played. */
    played: string[];
    /** All that happened; `at` is seconds since the call came. */
    lines: { at: number; who: "script" | "caller" | "party" | "phone"; what: string; text: string }[];
    /** Keys that the call was too short for. */
    left: string[];
    /** The call's record, as `scriptforge calls show --json` has it. */
    record: Record<string, any>;
  }

  /** What came of a run as over HTTP. */
  interface TestRun {
    /** Of the answer: 200, what the script threw, 404 for a function that is none, 500, or 504. */
    status: number;
    /** What the function returned. */
    result: any;
    error: string | null;
    /** Of the error's class. */
    name: string | null;
    /** `file:line:column` of what failed. */
    location: string | null;
    outcome: TestDecision["outcome"];
    console: { level: string; text: string }[];
  }

  interface ScriptUnderTest {
    /** A call decided (Class 4). The request is `{routing: {...}}`, all that a switch sends, or a JSON file of it. */
    route(request: { routing: any; [key: string]: any } | string, settings?: TestSettings): Promise<TestDecision>;
    /** A function run as over HTTP, `main` by default; `data` is what came. */
    run(data?: Record<string, any>, settings?: TestSettings & { function?: string }): Promise<TestRun>;
    /** A call driven (Class 5). */
    call(settings?: CallSettings): Promise<TestCall>;
  }

  /** A function that remembers how it was called. */
  interface Faked {
    (...values: any[]): any;
    mock: { calls: any[][]; results: { type: "return" | "throw" | "incomplete"; value: any }[] };
    mockImplementation(does: (...values: any[]) => any): Faked;
    mockImplementationOnce(does: (...values: any[]) => any): Faked;
    mockReturnValue(value: any): Faked;
    mockReturnValueOnce(value: any): Faked;
    mockResolvedValue(value: any): Faked;
    mockResolvedValueOnce(value: any): Faked;
    mockRejectedValue(error: any): Faked;
    mockRejectedValueOnce(error: any): Faked;
    mockClear(): Faked;
    mockReset(): Faked;
  }

  /** A text is the body of a 200; a body that is an object goes as JSON. */
  type FakedResponse =
    Response | string | { status?: number; statusText?: string; headers?: Record<string, any>; body?: any };

  interface Matchers<Result> {
    toBe(expected: any): Result;
    toEqual(expected: any): Result;
    toStrictEqual(expected: any): Result;
    toMatchObject(expected: any): Result;
    toBeNull(): Result;
    toBeUndefined(): Result;
    toBeDefined(): Result;
    toBeNaN(): Result;
    toBeTruthy(): Result;
    toBeFalsy(): Result;
    toBeGreaterThan(than: any): Result;
    toBeGreaterThanOrEqual(than: any): Result;
    toBeLessThan(than: any): Result;
    toBeLessThanOrEqual(than: any): Result;
    toBeCloseTo(to: number, digits?: number): Result;
    toBeInstanceOf(type: any): Result;
    toBeTypeOf(type: string): Result;
    toContain(one: any): Result;
    toContainEqual(one: any): Result;
    toHaveLength(length: number): Result;
    toHaveProperty(path: string | string[], value?: any): Result;
    toMatch(pattern: string | RegExp): Result;
    toThrow(expected?: any): Result;
    toThrowError(expected?: any): Result;
    toHaveBeenCalled(): Result;
    toHaveBeenCalledTimes(times: number): Result;
    toHaveBeenCalledWith(...values: any[]): Result;
    toHaveBeenLastCalledWith(...values: any[]): Result;
    toHaveBeenNthCalledWith(number: number, ...values: any[]): Result;
    not: Matchers<Result>;
  }

  interface Expectation extends Matchers<void> {
    resolves: Matchers<Promise<void>>;
    rejects: Matchers<Promise<void>>;
  }

  interface Asymmetric {
    objectContaining(value: any): any;
    arrayContaining(list: any[]): any;
    stringContaining(text: string): any;
    stringMatching(pattern: string | RegExp): any;
  }

  interface Expect extends Asymmetric {
    (received: any): Expectation;
    not: Asymmetric;
    anything(): any;
    any(type: any): any;
  }

  interface AddTest {
    (name: string, body: () => any): void;
    each(rows: any[]): (name: string, body: (...values: any[]) => any) => void;
  }

  interface It extends AddTest {
    skip: AddTest;
    only: AddTest;
    todo(name: string): void;
  }

  interface Describe extends AddTest {
    skip: AddTest;
    only: AddTest;
  }
}

declare const describe: ScriptForge.Describe;
declare const it: ScriptForge.It;
declare const test: ScriptForge.It;
declare const expect: ScriptForge.Expect;
declare function beforeAll(body: () => any): void;
declare function beforeEach(body: () => any): void;
declare function afterEach(body: () => any): void;
declare function afterAll(body: () => any): void;
/** A function that remembers how it was called, and does what it is told. */
declare function fn(does?: (...values: any[]) => any): ScriptForge.Faked;
/** Every request of the scripts under test: the URL and what was said of it, names of headers in small letters. */
declare function fake(
  name: "fetch",
  answer: (
    url: string,
    init: { method: string; headers: Record<string, string>; body?: any },
  ) => ScriptForge.FakedResponse | Promise<ScriptForge.FakedResponse>,
): ScriptForge.Faked;
/** A module of the host, played by the test until the test is over: its functions are asked by the scripts under test. */
declare function fake<Module>(name: string, module: Module): Module;
/** One that keeps things in memory anyway: it remembers how it was asked. */
declare function fake(name: "cxKV" | "cxUserspace" | "cxPubSub" | "environment"): Record<string, any>;
/** A database of rows for `cxUserspace`, made anew for each test. Every one has the columns `key` and `value`. */
declare function database(
  name: string,
  columns?: Record<string, "string" | "text" | "integer" | "double">,
  rows?: { key: string; [column: string]: any }[],
): Promise<void>;
/** A script beside the test. */
declare function script(path: string, settings?: ScriptForge.CallSettings): ScriptForge.ScriptUnderTest;
/** What is in a file beside the test: JSON, TOML, or text. */
declare function fixture(path: string): Promise<any>;
