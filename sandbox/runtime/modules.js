// The files of a program that may wait, and what they import and require. A file is one of four forms: a function's body, as
// the older dialect is written; an ES module, which is the engine's own; one that sets module.exports; and data.
const { serveModules, openModule, evaluateModule, namespaceOf, settled, digest } = native;
const { keys } = Object;

let offered = bareArray(); // the host's modules in their order: functions of { ask, listen, digest }
let modules = bareObject(); // of the host, by name
let files = bareObject(); // by name: { form, text, links, exports }, and once it is loaded what can be made of it
let commons = bareObject(); // what module is in the files that have been required, by name

const offer = (make) => put(offered, make);

const makeModules = (names) => {
  modules = assign(bareObject(), adapter.modules);
  for (let index = 0; index < names.length; index++) {
    const name = names[index];
    const ask = (question, ...values) => host(`${name}.${question}`, values);
    const listen = (question, ...values) => host(`${name}.${question}`, values, undefined, true);
    modules[name] = offered[index]({ ask, listen, digest });
  }
  offered = bareArray();
};

// What a name in quotes means in a file; undefined where there is no such module.
const linked = (file, name) => {
  const link = files[file] === undefined ? undefined : files[file].links[name];
  if (link === "") return program.name;
  if (link !== undefined && files[link] !== undefined) return link;
  if (modules[name] !== undefined) return name;
  const found = packageNamed(name);
  return found === undefined ? undefined : PACKAGE + found;
};

// What a name that is no file's means: of a module of the host, or of a package.
const PACKAGE = "package:";
const packageOf = (name) => (apply(startsWith, name, [PACKAGE]) ? apply(slice, name, [PACKAGE.length]) : undefined);
const valueNamed = (name) => {
  const found = packageOf(name);
  return found === undefined ? modules[name] : packageValue(found);
};
// Of a package that is known. What a compiler has made of another ES module has its default beside the others.
const hasOwnDefault = (name, value) => {
  const found = files[name] === undefined ? packageOf(name) : undefined;
  if (found !== undefined) return packages[found].esModule;
  return isObject(value) && value.__esModule === true;
};

// Called from native code, for the engine's own import.
const resolveImport = (file, name) => {
  const found = linked(file, name);
  if (found === undefined) throw new NativeError(`import '${name}': there is no such module`);
  return found;
};

let compiling; // the file that the engine was given last
const includes = String.prototype.includes;
// Of some mistakes the engine says no place: it is in the file that was compiled last.
const placed = (thrown) => {
  if (compiling !== program.name && thrown instanceof NativeError) {
    const stack = text(thrown.stack);
    if (!apply(includes, stack, [`${compiling}:`])) thrown.stack = `    at ${compiling}:1:1\n${stack}`;
  }
  return thrown;
};

const isObject = (value) => value !== null && (typeof value === "object" || typeof value === "function");

const namesOf = (value) => {
  const names = bareArray();
  put(names, "default");
  const own = isObject(value) ? keys(value) : [];
  for (let index = 0; index < own.length; index++) if (own[index] !== "default") put(names, own[index]);
  return names;
};

const describeModule = (name) => {
  const file = files[name];
  if (file === undefined) return namesOf(valueNamed(name));
  if (file.form === "module") {
    compiling = name;
    return file.text;
  }
  file.names ??= setPrototypeOf(file.exports, null);
  return file.names;
};

const provideModule = (name) => {
  const file = files[name];
  const value = file === undefined ? valueNamed(name) : required(name);
  const names = describeModule(name);
  const given = bareObject();
  for (let index = 0; index < names.length; index++) if (isObject(value)) given[names[index]] = value[names[index]];
  if (!hasOwnDefault(name, value)) given.default = value;
  return given;
};
serveModules(resolveImport, describeModule, provideModule);

const exportsOf = (module) => {
  const { exports, first, export: only } = module;
  // Many a driver is written `module.export = {...}`.
  return only !== undefined && exports === first && keys(exports).length === 0 ? only : exports;
};

const newModule = (name) => {
  const exports = {};
  const module = { exports };
  defineProperty(module, "first", { __proto__: null, value: exports });
  commons[name] = module;
  return module;
};

const bodyOf = (name, module) => files[name].make(module.exports, requirer(name), module);

// The value of a file that sets module.exports; of one that is being evaluated what it has until now.
const required = (name) => {
  const file = files[name];
  if (file.form === "data") return file.value;
  if (file.form === "module") {
    const promise = evaluateModule(name);
    hear(promise);
    if (settled(promise)) return namespaceOf(name);
    throw new NativeError(`require('${name}'): it awaits at its top; import it`);
  }
  if (commons[name] !== undefined) return exportsOf(commons[name]);
  const module = newModule(name);
  try {
    apply(bodyOf(name, module), module.exports, []);
  } catch (thrown) {
    delete commons[name];
    throw thrown;
  }
  return exportsOf(module);
};

const requirer = (file) => (name) => {
  const wanted = text(name);
  const found = linked(file, wanted);
  if (found === undefined) throw new NativeError(`require('${wanted}'): there is no such module`);
  return files[found] === undefined ? valueNamed(found) : required(found);
};
define("require", requirer(undefined));

const nothing = () => {};
// A rejection is told by who asks for the module.
const hear = (promise) => apply(then, promise, [undefined, nothing]);

const compileCommon = (name, ending) => {
  compiling = name;
  return compile(
    `(function (exports, require, module) { return function () ${BEFORE}${files[name].text}\n;${ending}}})`,
    name,
    FIRST_LINE,
  );
};

const loadFiles = () => {
  const { name, form, links, exports } = program;
  files = setPrototypeOf(program.files, null);
  files[name] = { form, text: program.text, links, exports };
  const names = ownKeys(files);
  for (let index = 0; index < names.length; index++) {
    const file = files[names[index]];
    setPrototypeOf(file, null);
    setPrototypeOf(file.links, null);
    if (file.form === "data") file.value = parse(file.text);
    else if (file.form !== "module" && names[index] !== name) file.make = compileCommon(names[index], "");
  }
  for (let index = 0; index < names.length; index++)
    if (files[names[index]].form === "module") openModule(names[index]);
  for (let index = 0; index < names.length; index++) if (names[index] !== name) files[names[index]].text = undefined;
};

const loadText = () => {
  if (program.form === "script") return compileFunction();
  try {
    loadFiles();
  } catch (thrown) {
    throw placed(thrown);
  }
  const { name, form } = program;
  if (form === "common") files[name].make = compileCommon(name, `return${entryPoints(program.entries)}`);
  files[name].text = undefined;
  return undefined;
};

const functionOf = (owner, name, self) => {
  const found = isObject(owner) ? owner[name] : undefined;
  return typeof found === "function" ? (value, context) => apply(found, self, [value, context]) : undefined;
};

const entryOfModule = (namespace) => {
  const found = functionOf(namespace, entry);
  if (found !== undefined || entry !== "main") return found;
  return functionOf(namespace, "default") ?? functionOf(realm, "main");
};

const entryOfCommon = (value, local) => {
  const found = functionOf(value, entry, value);
  if (found !== undefined || entry !== "main") return found ?? entryOf(local);
  if (typeof value === "function") return value;
  return functionOf(value, "default", value) ?? entryOf(local);
};

// A text that awaits at its top is gone on with once it has come to its end.
const evaluateText = (made) => {
  // Of a function's body there is a function, which is what most programs are.
  if (made !== undefined) return callEntryOf(apply(made, realm, []));
  const { name, form } = program;
  if (form === "common") {
    const module = newModule(name);
    const local = apply(bodyOf(name, module), realm, []);
    const value = exportsOf(module);
    return callEntry(entryOfCommon(value, local), (name) => functionOf(value, name, value) ?? findIn(local)(name));
  }
  const promise = evaluateModule(name);
  hear(promise);
  const callIt = () => {
    const namespace = namespaceOf(name);
    callEntry(entryOfModule(namespace), (name) => functionOf(namespace, name));
  };
  if (settled(promise)) return callIt();
  awaitsAtTop = true;
  const ended = (step) => (value) => {
    awaitsAtTop = false;
    try {
      step(value);
    } catch (thrown) {
      if (finished) concludeFinished();
      else fail(thrown);
    }
  };
  apply(then, promise, [
    ended(callIt),
    ended((thrown) => {
      throw thrown;
    }),
  ]);
};
