const posix = require("path-browserify");
const { absent, checkString, wrongType } = require("./shared/errors");

// How many of its arguments are paths, and what Node calls them.
const PATHS = {
  basename: ["path"],
  dirname: ["path"],
  extname: ["path"],
  isAbsolute: ["path"],
  normalize: ["path"],
  parse: ["path"],
  relative: ["from", "to"],
};
for (const [name, checked] of Object.entries(PATHS)) {
  const plain = posix[name];
  posix[name] = {
    [name](...values) {
      for (const [index, one] of checked.entries()) checkString(one, values[index]);
      return plain.apply(posix, values);
    },
  }[name];
}
for (const [name, shown] of [
  ["join", () => "path"],
  ["resolve", (index) => `paths[${index}]`],
]) {
  const plain = posix[name];
  posix[name] = {
    [name](...values) {
      for (const [index, one] of values.entries()) checkString(shown(index), one);
      return plain.apply(posix, values);
    },
  }[name];
}
const { basename, extname } = posix;
posix.format = (given) => {
  if (given === null || typeof given !== "object") throw wrongType("pathObject", "of type object", given);
  const folder = given.dir || given.root;
  const extension = given.ext ? `${given.ext[0] === "." ? "" : "."}${given.ext}` : "";
  const base = given.base || `${given.name || ""}${extension}`;
  if (!folder) return base;
  return folder === given.root ? `${folder}${base}` : `${folder}/${base}`;
};
posix.toNamespacedPath = (path) => path;
posix.win32 = absent("path.win32", Object.keys({ basename, extname }));
posix.posix = posix;
module.exports = posix;
