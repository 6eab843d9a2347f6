const { absent } = require("./shared/errors");

module.exports = { isatty: () => false, ...absent("tty", ["ReadStream", "WriteStream"]) };
