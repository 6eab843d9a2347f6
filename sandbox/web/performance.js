// The time of a run, from its begin on. Its clock has whole milliseconds, and its begin has parts of one.
const performance = {
  now: () => {
    const passed = lent.now() - began;
    return passed > 0 ? passed : 0;
  },
  get timeOrigin() {
    return began;
  },
  toJSON: () => ({ timeOrigin: began }),
};
found.performance = performance;
