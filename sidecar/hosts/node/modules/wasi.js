module.exports = require("./shared/errors").absent("wasi", ["WASI"]);
