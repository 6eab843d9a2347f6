"use strict";

// In place of the package of this name, which is given up: one request with a callback, as helpscout-2.0 makes them.
const clients = { "http:": require("http"), "https:": require("https") };

const REDIRECTS = 10;
const FOLLOWED = ["GET", "HEAD"];

module.exports = function request(options, callback) {
  let over = false;
  const end = (error, response) => {
    if (over) return;
    over = true;
    if (error) callback(error);
    else callback(null, response, response.body);
  };
  let url;
  try {
    url = new URL(options.url || options.uri);
    if (!clients[url.protocol]) throw new Error(`Invalid protocol: ${url.protocol}`);
  } catch (error) {
    process.nextTick(end, error);
    return;
  }
  ask(url, { ...options, method: (options.method || "GET").toUpperCase() }, REDIRECTS, end);
};

function ask(url, options, left, end) {
  const { method, body } = options;
  const headers = { ...options.headers };
  const has = (name) => Object.keys(headers).some((one) => one.toLowerCase() === name);
  if (!has("content-length")) headers["content-length"] = Buffer.byteLength(body || "");
  const asked = clients[url.protocol].request(url, { method, headers }, (response) => {
    const { location } = response.headers;
    if (location && response.statusCode >= 300 && response.statusCode < 400 && FOLLOWED.includes(method)) {
      response.resume();
      follow(url, location, options, left, end);
      return;
    }
    const pieces = [];
    response.on("data", (piece) => pieces.push(piece));
    response.on("error", end);
    response.on("aborted", () => end(Object.assign(new Error("aborted"), { code: "ECONNRESET" })));
    response.on("end", () => {
      response.body = Buffer.concat(pieces).toString();
      end(null, response);
    });
  });
  asked.on("error", end);
  asked.end(body || undefined);
}

function follow(url, location, options, left, end) {
  let next;
  try {
    next = new URL(location, url);
  } catch (error) {
    end(error);
    return;
  }
  if (left === 0 || !clients[next.protocol]) {
    end(new Error(`Exceeded maxRedirects. Probably stuck in a redirect loop ${next.href}`));
    return;
  }
  // Who may be another one is not told who asks.
  const kept = Object.entries(options.headers || {}).filter(
    ([name]) => next.host === url.host || name.toLowerCase() !== "authorization",
  );
  ask(next, { ...options, headers: Object.fromEntries(kept) }, left - 1, end);
}
