const { absent } = require("./shared/errors");

module.exports = {
  get performance() {
    return performance;
  },
  ...absent("perf_hooks", ["PerformanceObserver", "createHistogram", "monitorEventLoopDelay"]),
};
