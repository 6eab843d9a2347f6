module.exports = require("./shared/errors").absent("repl", ["start", "REPLServer"]);
