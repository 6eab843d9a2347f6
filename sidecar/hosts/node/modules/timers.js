const { timers } = require("scriptforge:runtime");

module.exports = {
  ...timers,
  get promises() {
    return require("timers/promises");
  },
};
