// The time of a run, from its begin on.
const performance = {
  now: () => lent.now() - began,
  get timeOrigin() {
    return began;
  },
  toJSON: () => ({ timeOrigin: began }),
};
found.performance = performance;
