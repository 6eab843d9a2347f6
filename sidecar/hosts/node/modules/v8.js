module.exports = require("./shared/errors").absent("v8", [
  "deserialize",
  "getHeapSnapshot",
  "getHeapStatistics",
  "serialize",
  "setFlagsFromString",
]);
