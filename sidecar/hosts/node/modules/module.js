const { absent } = require("./shared/errors");

module.exports = { builtinModules: [], isBuiltin: () => false, ...absent("module", ["createRequire", "register"]) };
