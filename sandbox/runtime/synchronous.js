// No run may wait: what a script has not therefore, says so by name.
const unavailable = (name, reason) =>
  define(name, function () {
    throw new NativeError(`${name} is not available in a Script, which is synchronous: ${reason}; make it an App`);
  });
for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"])
  unavailable(name, "it has no timers");
define("require", (name) => {
  throw new NativeError(`require('${text(name)}') is not available in a Script, which has no modules; make it an App`);
});
delete realm.Promise;

const mayWait = false;
const nextTimer = () => undefined;
const waitingFor = () => 0;
const defineProcess = (environment) => define("process", { env: environment });
const loadText = compileFunction;
const evaluateText = (text) => callEntryOf(apply(text, realm, []));
const nothingWaits = () => true;
const tellLeft = () => {};
const follow = () => {
  throw new NativeTypeError(`${entry} returned a promise; a Script is synchronous: make it an App`);
};
const granted = {};
const turns = {};
