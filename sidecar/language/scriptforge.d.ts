// What a script of ScriptForge Sidecar finds around it, for editors. `scriptforge types --write .` puts this file and a
// jsconfig.json beside your scripts. Say above main what it is, and everything in it is completed and checked:
//
//   /** @type {ScriptForge.VoiceMain} */
//   async function main(data, ctx) { await ctx.answer(); }

declare namespace ScriptForge {
  /** A Class 4 script: decides how a call is routed. It returns the whole data, its routing, or nothing. */
  type Main = (data: Data) => Data | Routing | void;

  /** The same as an App: `async function main(data)`. */
  type AsyncMain = (data: Data) => Promise<Data | Routing | void>;

  /** A Class 5 script: `async function main(data, ctx)` drives a call. The call is ended when it is over. */
  type VoiceMain = (data: VoiceData, ctx: Ctx) => Promise<any>;

  interface Header {
    key: string;
    value: string | number;
  }

  interface HeaderName {
    key: string;
  }

  /** One place the switch may send the call to, in the order in which they are tried. */
  interface Destination {
    headers?: Header[];
    remove_headers?: HeaderName[];
    /** By the gateway's id; `cli` is the caller id sent to it. */
    gw: Record<string, { cli?: string; [key: string]: any }>;
    [key: string]: any;
  }

  /** The list of destinations. `headers` on the list itself are for all of them. */
  interface Destinations extends Array<Destination> {
    headers?: Header[];
    remove_headers?: HeaderName[];
  }

  /** What the switch's routing engine decided. */
  interface Routing {
    account_id?: string | number;
    cli: string;
    dest_number: string;
    server?: string;
    direction?: "origination" | "termination";
    egress_routing: Destinations;
    headers?: Header[];
    remove_headers?: HeaderName[];
    /** Parameters of the caller's number, by name in lower case; not there where it has none. */
    cli_parameters?: Record<string, string>;
    /** Parameters of the number dialled, such as `rn` and `npdi`; not there where it has none. */
    dest_number_parameters?: Record<string, string>;
    [key: string]: any;
  }

  /**
   * The headers of the SIP request in its order. By a name it is the first value of that header, in any spelling and in
   * its compact form too: `data.sip.headers["P-Asserted-Identity"]`.
   */
  type SipHeaders = ReadonlyArray<{ readonly key: string; readonly value: string }> & {
    readonly [name: string]: any;
  };

  /** The SIP request by which the call came, to read: to change it is to say nothing to the switch. */
  interface SipRequest {
    /** `INVITE`; empty where the switch does not tell of the request. */
    readonly method: string;
    /** The Request-URI as it was received. */
    readonly uri: string;
    /** `host:port` that it came from. */
    readonly source: string;
    readonly headers: SipHeaders;
  }

  /** What a Class 4 `main` is given: the routing, headers for every destination, and the assignment's vars. */
  interface Data {
    routing: Routing;
    /** The same list as `routing.egress_routing`. */
    egress_routing: Destinations;
    headers: Header[];
    remove_headers: HeaderName[];
    /** How the call came by SIP. Only for a script in whose text the word `sip` stands. */
    readonly sip: SipRequest;
    /** The assignment's vars. */
    [variable: string]: any;
  }

  /** What a Class 5 `main` is given: the call, and the assignment's vars. */
  interface VoiceData {
    call_id: string;
    /** The caller's number. */
    cli: string;
    cli_name: string;
    /** The number or name dialled. */
    dest_number: string;
    /** Parameters of the caller's number, by name in lower case. */
    cli_parameters: Record<string, string>;
    /** Parameters of the number dialled, such as `rn` and `npdi`. */
    dest_number_parameters: Record<string, string>;
    /** `host:port` that the call came from. */
    source: string;
    customer: string;
    /** Of the INVITE, in order. */
    headers: Header[];
    /** The assignment's vars. */
    [variable: string]: any;
  }

  type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "*" | "#" | "A" | "B" | "C" | "D";

  /** `user/x.wav` (your own), `ivr/x.wav` (of the house), or an http(s) URL. */
  type MediaName = `user/${string}` | `ivr/${string}` | `http://${string}` | `https://${string}`;

  interface IvrOptions {
    /** How often the caller may try. 1 unless said otherwise. */
    tries?: number;
    /** Played before each further try. */
    invalid_file?: MediaName | MediaName[];
    /** What the whole input must match. */
    regexp?: RegExp | string;
    /** Where the call goes when nothing valid was entered. */
    transfer_on_failure?: string;
    /** Whether keys pressed before this `ivr` count as its input. true unless said otherwise. */
    type_ahead?: boolean;
  }

  interface Digits {
    status: "success" | "timeout" | "failure";
    /** Without the terminator. */
    value: string;
    /** The digit that ended the input, or empty. */
    terminator: string;
  }

  interface BridgeOptions {
    /** What the caller hears while the other party rings, over and over, in place of a ringing tone. */
    ringback?: MediaName | MediaName[];
  }

  interface Bridged {
    status: "completed" | "busy" | "no_answer" | "failed" | "cancelled";
    /** The one that answered, or the last tried. */
    destination: string;
    /** The other leg's final SIP status; 0 where there was none. */
    code: number;
    /** In the other party's words, at most 200 characters. */
    reason: string;
    /** Seconds from its answer to its end. */
    duration: number;
    /** "system" where neither party did, such as after a media timeout; empty where it was never answered. */
    hangup_by: "caller" | "callee" | "system" | "";
  }

  interface HungUp {
    by: "caller" | "callee" | "script" | "system";
    /** Q.850 cause. */
    cause: number;
    /** SIP status of a call that was never answered. */
    code: number;
    reason: string;
  }

  /**
   * Text: the digits themselves, or else a regular expression. A function is given all digits since the wait began,
   * and says whether they are what is waited for.
   */
  type DigitMatch = string | RegExp | ((digits: string) => unknown);

  /**
   * The call. Each action's promise settles when the action is complete on the call; await it. Actions are done in the
   * order in which they were asked for. When the call ends they are rejected with a HangupError.
   */
  class Ctx {
    /** Your own ctx, in place of main's second parameter: `new cxC5Server(process.env.CORRELATION_ID)`. */
    constructor(correlationId?: string);

    /** A call variable: `sip_from_user`, `sip_to_user`, `sip_h_X-Foo` for a SIP header, what the switch has, or your own. */
    get(key: string): string | undefined;
    /** Sets a call variable, on the switch as well. */
    set(key: string, value: string | number | boolean): Promise<void>;
    /** Reads a header of the INVITE. */
    header(key: string): string | undefined;
    /** Sets a header of what is sent next (answer, bridge, refusal); null takes it back. */
    header(key: string, value: string | number | null): string;
    /** Writes to the call's log. */
    log(...values: unknown[]): Promise<void>;

    /** Answers the call; resolves when the caller has confirmed it. */
    answer(): Promise<void>;
    /** Speaks; resolves when spoken. */
    tts(text: string | number, voice?: string): Promise<void>;
    /** Plays one file or several; resolves when played. */
    play(file: MediaName | MediaName[]): Promise<void>;
    /** Sends the caller's audio back until the call ends. */
    echo(delayMilliseconds?: number): Promise<void>;
    /**
     * Plays a prompt and collects digits, which interrupt it.
     * @param timeout seconds to the first digit and between digits; 5 unless said otherwise
     * @param terminators digits that end the input; `#` unless said otherwise
     */
    ivr(
      file?: MediaName | MediaName[] | null,
      timeout?: number | null,
      minimum?: number | null,
      maximum?: number | null,
      terminators?: string | null,
      options?: IvrOptions,
    ): Promise<Digits>;
    /**
     * Calls another party and connects the two; resolves with what became of the other leg.
     * @param destination `sip:user@host`, `user/NAME`, `trunk/NAME/NUMBER`, a number; several are tried in order
     * @param continueOn whether the script goes on after it: always, never, or only then
     * @param external a bare number goes out by the default trunk or not at all
     */
    bridge(
      destination: string | number | (string | number)[],
      continueOn?: boolean | "fail" | "completed",
      external?: boolean,
      options?: BridgeOptions,
    ): Promise<Bridged>;
    /** Ends the call: `404`, `"404 Not Found"`, `"USER_BUSY"`, or a Q.850 number. */
    hangup(cause?: number | string): Promise<void>;
    /** Digits are no longer heard; all of them unless some are named. */
    blockDtmf(digits?: string | Digit[]): Promise<void>;
    /** Resolves with the digits once they match; rejects when `quit` is matched or time is up (60 s). Several may wait. */
    waitFor(match: DigitMatch, quit?: DigitMatch | null, timeout?: number | null): Promise<string>;
    /** Resolves once the call has ended. */
    waitForHangup(): Promise<HungUp>;
    /**
     * Records the call until it ends; resolves once recording has begun, with the file's name: another than the one
     * asked for where that was taken. `stereo`: a leg a side.
     */
    record(filename: string, options?: { stereo?: boolean }): Promise<string>;
  }

  /** What a Driver exports that buys numbers of a carrier. One that it has not cannot be asked. */
  interface DidDriver {
    /** Numbers that can be had, of which `number` is a part. What else is in a row is shown beside it. */
    search?(asked: { number: string }): Rows | Promise<Rows>;
    /** Buys a number. `null` says that the carrier refuses it. */
    allocate?(asked: { did: string }): AllocatedNumber | null | Promise<AllocatedNumber | null>;
    /** Gives a number back. `false` says that it is ours as before. */
    release?(asked: { did: string }): boolean | Promise<boolean>;
    /** All numbers that the carrier has for us. */
    list?(): Rows | Promise<Rows>;
  }

  interface FoundNumber {
    did: string;
    [column: string]: any;
  }

  type Rows = FoundNumber[];

  interface AllocatedNumber {
    /** The one that was asked for, as the carrier writes it. */
    did?: string;
    /** Whose it is to be; `null` for nobody's yet. */
    customer_id?: string | number | null;
    [key: string]: any;
  }

  /** What a Driver exports that watches over something, as `alert` or as `main`. */
  type Alert = (data: AlertData) => AlertReport | Promise<AlertReport>;

  interface AlertData {
    alert: { id: any; title: string; recipients: string[]; repeat: number; notice_level: AlertLevel };
    company: { id: any; name: string };
  }

  type AlertLevel = "none" | "warning" | "error";

  /** Nothing to be told; the alert's own template; or what is sent. */
  type AlertReport =
    null | undefined | boolean | string | { subject?: string; text?: string; html?: string; level?: AlertLevel };

  /** A Worker: it is given its messages one by one, in order. */
  type WorkerMain = (message: any, told: { id: string; attempt: number }) => any;

  interface Environment {
    readonly SCRIPTFORGE_ID: string;
    readonly SCRIPTFORGE_UUID: string;
    readonly SCRIPTFORGE_NAME: string;
    readonly APP_ID: string;
    readonly EXEC_HOST: string;
    /** The call's id. */
    readonly CORRELATION_ID: string;
    /** The script's own variables. */
    readonly [name: string]: string | undefined;
  }
}

declare module "cxC5Server" {
  const CallServer: typeof ScriptForge.Ctx;
  export default CallServer;
}

/** The web socket that a run was asked over. What comes is given to the exported `onData(data)`: a JSON object or list
 * parsed, all else as text. Objects are sent as JSON. */
declare module "cxWebSocket" {
  export function send(value: unknown): Promise<void>;
  export function waitForClose(): Promise<void>;
  export function close(): Promise<void>;
}

/** Texts, objects and counters by key, which every run of the account shares. Lives are in seconds; 0 is for ever. */
declare module "cxKV" {
  interface Store<Value> {
    /** Null where there is nothing. */
    get(key: string | number): Promise<Value | null>;
    set(key: string | number, value: Value | number | boolean, ttl?: number): Promise<void>;
    /** A key that is not there is no error. */
    del(key: string | number): Promise<void>;
  }
  export const kv: Store<string>;
  export const ko: Store<any>;
  /** Counts at once for every run; the new number. A life of 0 leaves the end of the counter as it is. */
  export function incr(key: string | number, by?: number, expire?: number): Promise<number>;
  export function keys(): Promise<string[]>;
  export function usage(): Promise<{ keys: number; bytes: number; limit_keys: number; limit_bytes: number }>;
  const all: typeof import("cxKV");
  export default all;
}

/** The account's databases of rows. */
declare module "cxUserspace" {
  type Column = string | number | null;
  type Row = { key: string; value: string | null; [column: string]: Column };
  /** Columns, or a bare value for the column `value`. */
  type Given = { [column: string]: Column } | string | number;
  /** Makes a row; one of that key already is an error. */
  export function create(db: string, key: string | number, row?: Given): Promise<void>;
  export function read(db: string, key: string | number): Promise<Row | null>;
  /** Changes the columns that are given; no such row is an error. */
  export function update(db: string, key: string | number, row: Given): Promise<void>;
  export function get(db: string, key: string | number): Promise<Row | null>;
  /** The rows that have these values, by their keys: at most 1,000. */
  export function get(
    db: string,
    filter: { [column: string]: Column },
    page?: { limit?: number; offset?: number },
  ): Promise<Row[]>;
  export function random(db: string, filter?: { [column: string]: Column }): Promise<Row | null>;
  /** Select, insert, update or delete; `:name` stands for a parameter. One that changes rows gives `[{ changed }]`. */
  export function sql(
    statement: string,
    parameters?: { [name: string]: string | number | boolean | null },
  ): Promise<any[]>;
  function remove(db: string, key: string | number): Promise<void>;
  /** Not available here: it says so, and names `sql`. */
  export const knex: never;
  export { remove as delete };
  const all: typeof import("cxUserspace");
  export default all;
}

/** Functions of scripts of the account, run later, and again until they come to their end. */
declare module "cxJob" {
  interface Options {
    /** How often it may fail before it is given up: 1 to 100, by default 1. */
    attempts?: number;
    /** Milliseconds until it is run. */
    delay?: number;
    /** Between attempts: milliseconds, or as many more each time. */
    backoff?: number | { type: "fixed" | "exponential"; delay: number };
    /** 0 first, then 1 and so on. */
    priority?: number;
    queue?: string;
    /** While a job with this key is not over, adding another one gives this one. */
    key?: string;
    /** Seconds for which its result is kept. */
    keep?: number;
  }
  interface Job {
    readonly id: string;
    /** What the job gives once it is over; rejects with the error of its last attempt. */
    readonly result: Promise<any>;
    /** What it has said of itself; null while it has said nothing. */
    progress(): Promise<any>;
  }
  /** The script by its id or uuid; `process.env.SCRIPTFORGE_ID` is the script's own. */
  export function add(script: string | number, fn: string, data?: unknown, options?: Options): Promise<Job>;
  /** The same of `main`. */
  export function scriptForge(script: string | number, data?: unknown, options?: Options): Promise<Job>;
  /** In a job: what `progress()` gives. */
  export function setProgress(progress: unknown): Promise<void>;
  /** In a job: what its next attempt is given. */
  export function setData(data: unknown): Promise<void>;
  const all: typeof import("cxJob");
  export default all;
}

/** Messages to Workers of the account. */
declare module "cxWorker" {
  /** Put a message at the end of a Worker's mailbox; its id. The Worker is named by its id or uuid. */
  export function send(script: string | number, message?: unknown): Promise<string>;
  const all: typeof import("cxWorker");
  export default all;
}

/** Messages between runs of the account, on this machine. */
declare module "cxPubSub" {
  type Heard = (payload: any, about: { topic: string; key: string }) => unknown;
  export function publish(topic: string, payload: unknown): Promise<void>;
  export function publish(topic: string, key: string, payload: unknown): Promise<void>;
  export function subscribe(topic: string, fn: Heard): Promise<{ unsubscribe(): Promise<void> }>;
  /** The key `"*"` hears all. */
  export function subscribe(topic: string, key: string, fn: Heard): Promise<{ unsubscribe(): Promise<void> }>;
  const all: typeof import("cxPubSub");
  export default all;
}

declare module "cxSend" {
  interface Mail {
    /** Addresses, in one text or a list. */
    to: string | string[];
    subject?: string;
    text?: string;
    html?: string;
    /** A template's name; fields that are given win over it. */
    template?: string;
    vars?: Record<string, unknown>;
  }
  export function email(mail: Mail): Promise<void>;
  /** The number of parts that the text goes in. */
  export function sms(number: string | number, text: string): Promise<number>;
  const all: typeof import("cxSend");
  export default all;
}

/** The switch's REST API, asked as one of its users. An answer of 400 and more is an Error with `status` and `body`. */
declare module "cxRest" {
  interface Auth {
    (user: string | undefined): all.Client;
    new (user: string | undefined): all.Client;
    auth: Auth;
  }
  const all: Auth;
  namespace all {
    interface Client {
      get(path: string, query?: Record<string, unknown>): Promise<any>;
      post(path: string, body?: unknown): Promise<any>;
      put(path: string, body?: unknown): Promise<any>;
      delete(area: string, key?: string | number): Promise<any>;
      create(area: string, body: unknown): Promise<any>;
      read(area: string, key?: string | number): Promise<any>;
      update(area: string, data: unknown): Promise<any>;
      update(area: string, key: string | number, data: unknown): Promise<any>;
    }
  }
  export = all;
}

/** Places a call: `destination` is called with `cli`, and once it has answered it is connected to `extension`. Both are
 * numbers, `user/NAME` or `trunk/GATEWAY/NUMBER`. */
declare module "cxOriginate" {
  /** What a party that did not come to a call rejects with: its message is the SIP status and its reason. */
  interface Refusal extends Error, Iterable<number | string> {
    readonly code: number;
    readonly reason: string;
    readonly 0: number;
    readonly 1: string;
  }
  /** Resolves once `destination` has answered; rejects with a `Refusal` where it does not. */
  export function originate(
    company: string | number | null | undefined,
    server: string,
    destination: string | number,
    cli: string | number | null | undefined,
    extension: string | number,
  ): Promise<{ id: string }>;
  const all: typeof import("cxOriginate");
  export default all;
}

/** Calls that a script places and follows, those of the account that are up, and who is registered. */
declare module "cxCallControl" {
  interface Ended {
    by: "caller" | "callee" | "script" | "system";
    /** The SIP status of a call that was not answered, else 0. */
    code: number;
    /** Q.850. */
    cause: number;
    reason: string;
    /** Since the first party answered. */
    seconds: number;
  }
  interface Call {
    readonly id: string;
    on(event: "ringing" | "answered", fn: () => unknown): this;
    on(event: "connected", fn: (about: { destination: string }) => unknown): this;
    on(event: "ended", fn: (ended: Ended) => unknown): this;
    /** Resolves once the first party has answered; rejects with a `Refusal` where it does not. */
    answered(): Promise<void>;
    ended(): Promise<Ended>;
    hangup(cause?: string | number): Promise<void>;
    /** Connects the first party to another one; the second is hung up. */
    transfer(destination: string | number): Promise<void>;
  }
  interface UpCall {
    id: string;
    destination: string;
    cli: string;
    state: "calling" | "ringing" | "answered" | "connected";
    seconds: number;
    /** Whether a script placed it; else one drives it. */
    placed: boolean;
    server?: string;
    extension?: string;
    script?: string;
  }
  interface Class5 {
    /** Resolves at once, with a call to follow. */
    originate(
      company: string | number | null | undefined,
      server: string,
      destination: string | number,
      cli: string | number | null | undefined,
      extension: string | number,
    ): Promise<Call>;
    calls(): Promise<UpCall[]>;
    hangup(id: string, cause?: string | number): Promise<void>;
    transfer(id: string, destination: string | number): Promise<void>;
  }
  interface Class4 {
    /** `expires` in seconds from now. */
    registrations(user?: string): Promise<{ user: string; contact: string; expires: number; server: string }[]>;
  }
  /** Of these servers, or of all that are the account's. */
  export function C5(servers?: string | string[]): Promise<Class5>;
  export function C4(servers?: string | string[]): Promise<Class4>;
  /** Not available here: it says so, and names C5. */
  export const AI: never;
  const all: typeof import("cxCallControl");
  export default all;
}

/** The key that goes with a changed customer, of the app's variable `PBX_SECURITY_KEY`. */
declare module "cxHelper" {
  export function generatePbxSecurityKey(company: string | number, server: string | number): string;
  const all: typeof import("cxHelper");
  export default all;
}

/** Asks a web server, in an App. Where no answer comes it is a TypeError; a status of 400 and more is an answer. */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

/** Sets a variable of the script's app, in an App: runs that are loaded later have it in `process.env`. */
declare function setEnvVar(name: string, value: string | number | boolean | null): Promise<void>;
/** The variables of the script's app as they are now. */
declare function getEnvVars(): Promise<Record<string, string>>;

/** Older names of lookups and sends, in an App. */
declare namespace api {
  type Lookup = (number: string | number) => Promise<any>;
  const lookup: {
    /** At services that the operator names: JSON as what it says, else the text. */
    asrplus: Lookup;
    tps: Lookup;
    nnpc: Lookup;
    hlr: Lookup;
    lrn: Lookup;
    ping: Lookup;
    /** A row as of `read`; no such key is an error. */
    userspaceLookup(db: string, key: string | number): Promise<any>;
  };
  const send: {
    email(mail: import("cxSend").Mail): Promise<void>;
    sms(number: string | number, text: string): Promise<number>;
    sms(message: { to: string | number; text: string }): Promise<number>;
  };
}

/** Modules of an App, and files of its own: `require("./name")`. */
declare function require(name: "cxC5Server"): typeof ScriptForge.Ctx;
declare function require(name: "cxKV"): typeof import("cxKV");
declare function require(name: "cxUserspace"): typeof import("cxUserspace");
declare function require(name: "cxJob"): typeof import("cxJob");
declare function require(name: "cxWorker"): typeof import("cxWorker");
declare function require(name: "cxPubSub"): typeof import("cxPubSub");
declare function require(name: "cxSend"): typeof import("cxSend");
declare function require(name: "cxRest"): typeof import("cxRest");
declare function require(name: "cxOriginate"): typeof import("cxOriginate");
declare function require(name: "cxCallControl"): typeof import("cxCallControl");
declare function require(name: "cxHelper"): typeof import("cxHelper");
declare function require(name: "cxWebSocket"): typeof import("cxWebSocket");
declare function require(name: string): any;
/** What other files of the App are given by `require`, and which functions may be called by name. */
declare var module: { exports: any };
declare var exports: any;

/** What actions are rejected with when the call ends. */
declare class HangupError extends Error {
  constructor(message?: string);
}

declare const process: { readonly env: ScriptForge.Environment };

/** Writes to the run's log. */
declare const console: Record<"log" | "info" | "warn" | "error" | "debug" | "trace", (...values: unknown[]) => void>;

/** The older dialect: the data that `main` is given in the newer ones; `vars.routing` is `vars().routing`. */
declare const vars: (() => ScriptForge.Data) & ScriptForge.Data;
/** The older dialect: finishes with this result. */
declare function exit(result?: unknown): never;
/** The older dialect: a SIP answer, `err([404, "Not Found"])`. */
declare function err(answer: [code: number, reason?: string]): never;

/** Timers, of Apps only. */
declare function setTimeout(callback: (...values: any[]) => void, milliseconds?: number, ...values: any[]): number;
declare function setInterval(callback: (...values: any[]) => void, milliseconds?: number, ...values: any[]): number;
declare function setImmediate(callback: (...values: any[]) => void, ...values: any[]): number;
declare function clearTimeout(timer: number | undefined): void;
declare function clearInterval(timer: number | undefined): void;
declare function clearImmediate(timer: number | undefined): void;
declare function queueMicrotask(callback: () => void): void;

// ---- of the web: URLs, bytes, requests and responses, cryptography ----

declare class URLSearchParams {
  constructor(init?: string | [string, string][] | Record<string, string> | URLSearchParams);
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, self?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
  toString(): string;
}

declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static canParse(url: string | URL, base?: string | URL): boolean;
  static parse(url: string | URL, base?: string | URL): URL | null;
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toString(): string;
  toJSON(): string;
}

declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  /** `utf-8`, `utf-16le` or `windows-1252`, by any of their names. */
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}

declare function structuredClone<T>(value: T, options?: { transfer?: ArrayBuffer[] }): T;

declare class Event {
  constructor(type: string, options?: { cancelable?: boolean });
  readonly type: string;
  readonly target: EventTarget | null;
  readonly currentTarget: EventTarget | null;
  readonly cancelable: boolean;
  readonly defaultPrevented: boolean;
  readonly timeStamp: number;
  preventDefault(): void;
  stopPropagation(): void;
  stopImmediatePropagation(): void;
}

declare class CustomEvent<T = any> extends Event {
  constructor(type: string, options?: { cancelable?: boolean; detail?: T });
  readonly detail: T;
}

declare class EventTarget {
  addEventListener(
    type: string,
    callback: ((event: any) => void) | { handleEvent(event: any): void } | null,
    options?: boolean | { once?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener(type: string, callback: ((event: any) => void) | { handleEvent(event: any): void } | null): void;
  dispatchEvent(event: Event): boolean;
}

declare class AbortSignal extends EventTarget {
  private constructor();
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => void) | null;
  throwIfAborted(): void;
  static abort(reason?: any): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
  /** Of Apps only. */
  static timeout(milliseconds: number): AbortSignal;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: any): void;
}

declare class Headers {
  constructor(init?: [string, string][] | Record<string, string> | Headers);
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void, self?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

/** What a request and a response have in common, of Apps only. Bodies are text, bytes or URLSearchParams. */
interface Body {
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  json(): Promise<any>;
  text(): Promise<string>;
}

type BodyInit = string | ArrayBuffer | ArrayBufferView | URLSearchParams | null;
type HeadersInit = [string, string][] | Record<string, string> | Headers;

interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit;
  signal?: AbortSignal;
  redirect?: "follow" | "error" | "manual";
}

declare class Request {
  constructor(input: string | URL | Request, init?: RequestInit);
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly signal: AbortSignal;
  readonly redirect: "follow" | "error" | "manual";
  clone(): Request;
}
interface Request extends Body {}

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}

declare class Response {
  constructor(body?: BodyInit, init?: ResponseInit);
  static error(): Response;
  static json(value: any, init?: ResponseInit): Response;
  static redirect(url: string | URL, status?: 301 | 302 | 303 | 307 | 308): Response;
  readonly status: number;
  readonly ok: boolean;
  readonly statusText: string;
  readonly headers: Headers;
  readonly type: "default" | "error";
  readonly url: string;
  readonly redirected: boolean;
  clone(): Response;
}
interface Response extends Body {}

interface CryptoKey {
  readonly type: "secret";
  readonly extractable: boolean;
  readonly algorithm: { name: "HMAC"; hash: { name: string }; length: number };
  readonly usages: ("sign" | "verify")[];
}

type HashName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
type BytesOf = ArrayBuffer | ArrayBufferView;

declare const crypto: {
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
  /** Of Apps only: digests and HMAC. */
  readonly subtle: {
    digest(algorithm: HashName | { name: HashName }, data: BytesOf): Promise<ArrayBuffer>;
    importKey(
      format: "raw",
      key: BytesOf,
      algorithm: { name: "HMAC"; hash: HashName | { name: HashName } },
      extractable: boolean,
      usages: ("sign" | "verify")[],
    ): Promise<CryptoKey>;
    generateKey(
      algorithm: { name: "HMAC"; hash: HashName | { name: HashName }; length?: number },
      extractable: boolean,
      usages: ("sign" | "verify")[],
    ): Promise<CryptoKey>;
    exportKey(format: "raw", key: CryptoKey): Promise<ArrayBuffer>;
    sign(algorithm: "HMAC" | { name: "HMAC" }, key: CryptoKey, data: BytesOf): Promise<ArrayBuffer>;
    verify(algorithm: "HMAC" | { name: "HMAC" }, key: CryptoKey, signature: BytesOf, data: BytesOf): Promise<boolean>;
  };
};

/** The time of the run, by its own clock. */
declare const performance: { now(): number; readonly timeOrigin: number; toJSON(): { timeOrigin: number } };

// ---- of the language: what jsconfig.json leaves out of the libraries, since with it they bring what is not there ----

/** Dates, numbers and comparisons by locale. PluralRules, RelativeTimeFormat and the rest of Intl are not there. */
declare namespace Intl {
  interface DateTimeFormatOptions {
    calendar?: "gregory";
    numberingSystem?: "latn";
    dayPeriod?: "narrow" | "short" | "long";
    fractionalSecondDigits?: 1 | 2 | 3;
    hourCycle?: "h11" | "h12" | "h23" | "h24";
    dateStyle?: "full" | "long" | "medium" | "short";
    timeStyle?: "full" | "long" | "medium" | "short";
  }
  interface ResolvedDateTimeFormatOptions {
    hourCycle?: "h11" | "h12" | "h23" | "h24";
    dateStyle?: "full" | "long" | "medium" | "short";
    timeStyle?: "full" | "long" | "medium" | "short";
  }
  interface NumberFormatOptions {
    numberingSystem?: "latn";
    signDisplay?: "auto" | "never" | "always" | "exceptZero" | "negative";
    trailingZeroDisplay?: "auto" | "stripIfInteger";
    roundingMode?:
      "ceil" | "floor" | "expand" | "trunc" | "halfCeil" | "halfFloor" | "halfExpand" | "halfTrunc" | "halfEven";
  }
  interface NumberFormat {
    format(value: number | bigint | string): string;
    formatToParts(value?: number | bigint | string): { type: string; value: string }[];
  }
}

interface BigInt {
  toString(radix?: number): string;
  toLocaleString(locales?: string | string[], options?: Intl.NumberFormatOptions): string;
  valueOf(): bigint;
}
declare const BigInt: {
  (value: bigint | boolean | number | string): bigint;
  asIntN(bits: number, value: bigint): bigint;
  asUintN(bits: number, value: bigint): bigint;
};

interface String {
  matchAll(expression: RegExp): IterableIterator<RegExpMatchArray>;
}

declare function btoa(text: string): string;
declare function atob(text: string): string;
