module.exports = require("./shared/errors").absent("readline", [
  "createInterface",
  "clearLine",
  "cursorTo",
  "moveCursor",
  "Interface",
]);
