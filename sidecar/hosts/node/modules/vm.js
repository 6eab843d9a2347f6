module.exports = require("./shared/errors").absent("vm", [
  "Script",
  "compileFunction",
  "createContext",
  "isContext",
  "runInContext",
  "runInNewContext",
  "runInThisContext",
]);
