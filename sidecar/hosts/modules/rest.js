// One client a user: require('cxRest')(user), auth(user) and new auth(user) are the same.
({ ask }) => {
  const text = String;
  const request = async (user, method, path, query, body) => {
    const failed = new Error(); // made here, where it was asked
    if (typeof path !== "string" && typeof path !== "number") throw new TypeError("a path is a text");
    const given = query === undefined || query === null ? {} : query;
    if (typeof given !== "object") throw new TypeError("the query is an object");
    const answer = await ask("request", user, method, text(path), given, body === undefined ? null : body);
    if (answer.status >= 200 && answer.status <= 299) return answer.body;
    const said =
      typeof answer.body === "string" ? answer.body.slice(0, 200) : (answer.body?.error ?? answer.body?.message);
    failed.message = `${method} ${text(path).split("?")[0]}: ${answer.status}${said ? ` ${text(said).slice(0, 200)}` : ""}`;
    failed.status = answer.status;
    failed.body = answer.body;
    throw failed;
  };
  const place = (area, key) => (key === undefined || key === null ? area : `${area}/${text(key)}`);

  function auth(user) {
    const name = text(user);
    return {
      get: (path, query) => request(name, "GET", path, query),
      post: (path, body) => request(name, "POST", path, undefined, body),
      put: (path, body) => request(name, "PUT", path, undefined, body),
      delete: (area, key) => request(name, "DELETE", place(area, key)),
      create: (area, body) => request(name, "POST", area, undefined, body),
      read: (area, key) => request(name, "GET", place(area, key)),
      update: (area, ...rest) =>
        rest.length < 2
          ? request(name, "PUT", area, undefined, rest[0])
          : request(name, "PUT", place(area, rest[0]), undefined, rest[1]),
    };
  }
  auth.auth = auth;
  return auth;
};
