module.exports = require("./shared/errors").absent("cluster", ["fork", "setupMaster", "setupPrimary"]);
