// Packages: texts of CommonJS that many programs share. The worker has their bytecode; a run evaluates one when it first asks
// for it, unless that was done before its program was loaded. What is evaluated is the run's own.
const { evaluatePackage, witness } = native;
let packages = bareObject(); // of the program, by name: { key, trusted, esModule }
let evaluated = bareObject(); // what module is in those that have been, by name
let packageGlobals = bareObject(); // by name: { package, property }
const environmentOfPackages = {};

// A timer as Node has it: an object, which packages ask to let the process end.
class Timeout {
  #id;
  #begin;
  #clear;
  constructor(begin, clear) {
    this.#begin = begin;
    this.#clear = clear;
    this.#id = begin();
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return true;
  }
  refresh() {
    this.close();
    this.#id = this.#begin();
    return this;
  }
  close() {
    this.#clear(this.#id);
    return this;
  }
  [Symbol.toPrimitive]() {
    return this.#id;
  }
}
// By name when they are called: an adapter may have put its own in their place.
const timerOf =
  (begin, clear) =>
  (callback, delay, ...values) => {
    if (typeof callback === "function")
      return new Timeout(
        () => realm[begin](callback, delay, ...values),
        (id) => realm[clear](id),
      );
    const thrown = new NativeTypeError(`The "callback" argument must be of type function. Received ${text(callback)}`);
    throw assign(thrown, { code: "ERR_INVALID_ARG_TYPE" });
  };
const clearPackageTimer = (timer) => {
  if (timer instanceof Timeout) timer.close();
  else if (timer !== undefined && timer !== null) realm.clearTimeout(+timer);
};
const immediately = timerOf("setImmediate", "clearImmediate");
const timersOfPackages = {
  __proto__: null,
  setTimeout: timerOf("setTimeout", "clearTimeout"),
  setInterval: timerOf("setInterval", "clearInterval"),
  setImmediate: (callback, ...values) => immediately(callback, ...values),
  clearTimeout: clearPackageTimer,
  clearInterval: clearPackageTimer,
  clearImmediate: clearPackageTimer,
};

// What packages of ours require by this name.
const LENT = "scriptforge:runtime";
const lentToPackages = {
  __proto__: null,
  digest: native.digest,
  fillRandom: native.fillRandom,
  timers: timersOfPackages,
  environment: environmentOfPackages,
  module: (name) => modules[name],
  own: (name) => realm[name],
};

let takenAnew = 0;
let madeAnew; // while packages are made for programs to begin with: those that are to be made in each run all the same
const startsWith = String.prototype.startsWith;
const SCHEME = "node:";
const packageNamed = (name) => {
  const plain = apply(startsWith, name, [SCHEME]) ? apply(slice, name, [SCHEME.length]) : name;
  return packages[plain] === undefined ? undefined : plain;
};

const requireOfPackage = (trusted) => (name) => {
  const wanted = text(name);
  if (trusted && wanted === LENT) return lentToPackages;
  const found = packageNamed(wanted);
  if (found !== undefined) return packageValue(found);
  const thrown = new NativeError(`Cannot find module '${wanted}'`);
  throw assign(thrown, { code: "MODULE_NOT_FOUND" });
};

// Another text once the clock was looked at, something random drawn, a timer set, the host asked, or one required that did any
// of that.
const witnessOfAll = () => `${witness()} ${timerCount} ${hostCallCount} ${takenAnew}`;

const evaluateBody = (name, module) => {
  const { key, trusted } = packages[name];
  const make = evaluatePackage(key);
  const timers = timersOfPackages;
  apply(make, module.exports, [
    requireOfPackage(trusted),
    module,
    module.exports,
    `/node_modules/${name}.js`,
    "/node_modules",
    realm,
    timers.setTimeout,
    timers.setInterval,
    timers.setImmediate,
    timers.clearTimeout,
    timers.clearInterval,
    timers.clearImmediate,
  ]);
};

// What a package exports; while it is evaluated, what it has until then.
const packageValue = (name) => {
  if (evaluated[name] !== undefined) {
    if (evaluated[name].isAnew) takenAnew++;
    return evaluated[name].exports;
  }
  const exports = {};
  const module = { exports, id: name, filename: `/node_modules/${name}.js`, loaded: false, children: [], paths: [] };
  evaluated[name] = module;
  const before = madeAnew === undefined ? undefined : witnessOfAll();
  try {
    evaluateBody(name, module);
  } catch (thrown) {
    delete evaluated[name];
    throw thrown;
  }
  if (madeAnew !== undefined && witnessOfAll() !== before) {
    put(madeAnew, name);
    defineProperty(module, "isAnew", { __proto__: null, value: true });
  }
  module.loaded = true;
  return module.exports;
};

const definePackageGlobal = (name) => {
  const { package: owner, property } = packageGlobals[name];
  const value = () => (property === "" ? packageValue(owner) : packageValue(owner)[property]);
  defineProperty(realm, name, {
    __proto__: null,
    get: () => {
      const found = value();
      define(name, found);
      return found;
    },
    set: (given) => define(name, given),
    configurable: true,
    enumerable: false,
  });
};

// For the programs of a kind: their modules, the packages that they may ask for, and those that they begin with.
const bring = () => {
  const brought = read();
  makeModules(brought.modules);
  packages = setPrototypeOf(brought.packages, null);
  packageGlobals = setPrototypeOf(brought.globals, null);
  const names = ownKeys(packageGlobals);
  for (let index = 0; index < names.length; index++) definePackageGlobal(names[index]);
  madeAnew = bareArray();
  for (let index = 0; index < brought.begun.length; index++) {
    try {
      packageValue(brought.begun[index]);
    } catch {
      // It throws again where a program asks for it.
    }
  }
  // The clock of a run, or its random numbers, are not yet: what asks for them is made anew in each.
  for (let index = 0; index < madeAnew.length; index++) delete evaluated[madeAnew[index]];
  madeAnew = undefined;
  return "R";
};

const defineProcess = (environment) => {
  if (packageGlobals.process === undefined) return define("process", { env: environment });
  assign(environmentOfPackages, environment);
};
