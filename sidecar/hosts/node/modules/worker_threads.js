module.exports = {
  isMainThread: true,
  parentPort: null,
  threadId: 0,
  workerData: null,
  ...require("./shared/errors").absent("worker_threads", ["Worker", "BroadcastChannel"]),
};
