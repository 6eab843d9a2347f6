module.exports = require("./shared/errors").absent("inspector", ["open", "close", "url", "Session"]);
