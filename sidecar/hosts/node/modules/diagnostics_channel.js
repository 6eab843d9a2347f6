// Channels that nobody watches from outside of the run.
class Channel {
  #listeners = [];
  constructor(name) {
    this.name = name;
  }
  get hasSubscribers() {
    return this.#listeners.length > 0;
  }
  publish(message) {
    for (const listener of this.#listeners) listener(message, this.name);
  }
  subscribe(listener) {
    this.#listeners = [...this.#listeners, listener];
  }
  unsubscribe(listener) {
    const before = this.#listeners.length;
    this.#listeners = this.#listeners.filter((one) => one !== listener);
    return this.#listeners.length < before;
  }
  runStores(message, callback, self, ...values) {
    return callback.apply(self, values);
  }
}
const channels = new Map();
const channel = (name) => {
  if (!channels.has(name)) channels.set(name, new Channel(name));
  return channels.get(name);
};

module.exports = {
  Channel,
  channel,
  hasSubscribers: (name) => channel(name).hasSubscribers,
  subscribe: (name, listener) => channel(name).subscribe(listener),
  unsubscribe: (name, listener) => channel(name).unsubscribe(listener),
};
