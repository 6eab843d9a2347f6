// Where an asynchronous call came from is known to nobody here: a resource runs what it is given as it is.
const { absent, checkFunction } = require("./shared/errors");

class AsyncResource {
  constructor(type) {
    this.type = type;
  }
  static bind(callback, type, self) {
    checkFunction("fn", callback);
    return self === undefined ? callback.bind(undefined) : callback.bind(self);
  }
  bind(callback, self) {
    return AsyncResource.bind(callback, undefined, self);
  }
  runInAsyncScope(callback, self, ...values) {
    return callback.apply(self, values);
  }
  emitDestroy() {
    return this;
  }
  asyncId() {
    return 0;
  }
  triggerAsyncId() {
    return 0;
  }
}

module.exports = {
  AsyncResource,
  executionAsyncId: () => 0,
  triggerAsyncId: () => 0,
  executionAsyncResource: () => ({}),
  ...absent("async_hooks", ["AsyncLocalStorage", "createHook"]),
};
