// A URL taken apart (the URL Standard, 4.4): the states and their names are the standard's.
const PORTS = { __proto__: null, "http:": 80, "https:": 443, "ws:": 80, "wss:": 443, "ftp:": 21, "file:": null };
const isSpecial = (url) => url.scheme in PORTS;
const isSingleDot = (text) => /^(\.|%2e)$/i.test(text);
const isDoubleDot = (text) => /^(\.|%2e){2}$/i.test(text);
const isDriveLetter = (text) => /^[a-z][:|]$/i.test(text);
const startsWithDriveLetter = (text) => /^[a-z][:|]([/\\?#]|$)/i.test(text);
const newRecord = () => ({
  scheme: "",
  username: "",
  password: "",
  host: null,
  port: null,
  path: [],
  query: null,
  fragment: null,
});
const hasOpaquePath = (url) => typeof url.path === "string";
const shorten = (url) => {
  if (url.scheme === "file:" && url.path.length === 1 && /^[a-z]:$/i.test(url.path[0])) return;
  url.path.pop();
};
const copyAuthority = (url, base) => {
  ({ username: url.username, password: url.password, host: url.host, port: url.port } = base);
};

// A record; undefined for what is no URL. With a record and a state it changes one part of it.
const parseUrl = (given, base, changed, override) => {
  const url = changed ?? newRecord();
  let text = given;
  if (!changed) text = text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "");
  const points = [...text.replace(/[\t\n\r]/g, "")];
  const rest = (from) => points.slice(from).join("");
  let state = override ?? "scheme start";
  let buffer = "";
  let [atSeen, inBrackets, passwordSeen] = [false, false, false];
  for (let place = 0; place <= points.length; place++) {
    const c = points[place];
    const code = c === undefined ? -1 : c.codePointAt(0);
    const special = isSpecial(url);
    const endsAuthority = c === undefined || c === "/" || c === "?" || c === "#" || (special && c === "\\");
    switch (state) {
      case "scheme start":
        if (isLetter(code)) {
          buffer += c.toLowerCase();
          state = "scheme";
        } else if (override) return undefined;
        else {
          state = "no scheme";
          place--;
        }
        break;
      case "scheme":
        if (isLetter(code) || isDigit(code) || c === "+" || c === "-" || c === ".") buffer += c.toLowerCase();
        else if (c === ":") {
          const scheme = `${buffer}:`;
          if (override) {
            if (special !== scheme in PORTS) return url;
            if (scheme === "file:" && (url.username || url.password || url.port !== null)) return url;
            if (url.scheme === "file:" && !url.host) return url;
            url.scheme = scheme;
            if (url.port === PORTS[scheme]) url.port = null;
            return url;
          }
          url.scheme = scheme;
          buffer = "";
          if (scheme === "file:") state = "file";
          else if (isSpecial(url) && base && base.scheme === scheme) state = "special relative or authority";
          else if (isSpecial(url)) state = "special authority slashes";
          else if (points[place + 1] === "/") {
            state = "path or authority";
            place++;
          } else {
            url.path = "";
            state = "opaque path";
          }
        } else if (override) return undefined;
        else {
          buffer = "";
          state = "no scheme";
          place = -1;
        }
        break;
      case "no scheme":
        if (!base || (hasOpaquePath(base) && c !== "#")) return undefined;
        if (hasOpaquePath(base)) {
          ({ scheme: url.scheme, path: url.path, query: url.query } = base);
          url.fragment = "";
          state = "fragment";
        } else {
          state = base.scheme === "file:" ? "file" : "relative";
          place--;
        }
        break;
      case "special relative or authority":
        if (c === "/" && points[place + 1] === "/") {
          state = "special authority ignore slashes";
          place++;
        } else {
          state = "relative";
          place--;
        }
        break;
      case "path or authority":
        if (c === "/") state = "authority";
        else {
          state = "path";
          place--;
        }
        break;
      case "relative":
        url.scheme = base.scheme;
        if (c === "/") state = "relative slash";
        else if (isSpecial(url) && c === "\\") state = "relative slash";
        else {
          copyAuthority(url, base);
          url.path = [...base.path];
          url.query = base.query;
          if (c === "?") {
            url.query = "";
            state = "query";
          } else if (c === "#") {
            url.fragment = "";
            state = "fragment";
          } else if (c !== undefined) {
            url.query = null;
            shorten(url);
            state = "path";
            place--;
          }
        }
        break;
      case "relative slash":
        if (isSpecial(url) && (c === "/" || c === "\\")) state = "special authority ignore slashes";
        else if (c === "/") state = "authority";
        else {
          copyAuthority(url, base);
          state = "path";
          place--;
        }
        break;
      case "special authority slashes":
        state = "special authority ignore slashes";
        if (c === "/" && points[place + 1] === "/") place++;
        else place--;
        break;
      case "special authority ignore slashes":
        if (c !== "/" && c !== "\\") {
          state = "authority";
          place--;
        }
        break;
      case "authority":
        if (c === "@") {
          if (atSeen) buffer = `%40${buffer}`;
          atSeen = true;
          const colon = passwordSeen ? -1 : buffer.indexOf(":");
          if (passwordSeen) url.password += percentEncoded(buffer, USERINFO);
          else if (colon >= 0) {
            passwordSeen = true;
            url.username += percentEncoded(buffer.slice(0, colon), USERINFO);
            url.password += percentEncoded(buffer.slice(colon + 1), USERINFO);
          } else url.username += percentEncoded(buffer, USERINFO);
          buffer = "";
        } else if (endsAuthority) {
          if (atSeen && buffer === "") return undefined;
          place -= [...buffer].length + 1;
          buffer = "";
          state = "host";
        } else buffer += c;
        break;
      case "host":
      case "hostname":
        if (override && url.scheme === "file:") {
          place--;
          state = "file host";
        } else if (c === ":" && !inBrackets) {
          if (buffer === "" || override === "hostname") return undefined;
          const host = parseHost(buffer, special);
          if (host === undefined) return undefined;
          url.host = host;
          buffer = "";
          state = "port";
        } else if (endsAuthority) {
          place--;
          if (special && buffer === "") return undefined;
          if (override && buffer === "" && (url.username || url.password || url.port !== null)) return undefined;
          const host = buffer === "" ? "" : parseHost(buffer, special);
          if (host === undefined) return undefined;
          url.host = host;
          buffer = "";
          state = "path start";
          if (override) return url;
        } else {
          if (c === "[") inBrackets = true;
          else if (c === "]") inBrackets = false;
          buffer += c;
        }
        break;
      case "port":
        if (isDigit(code)) buffer += c;
        else if (endsAuthority || override) {
          if (buffer !== "") {
            const port = +buffer;
            if (port > 65535) return undefined;
            url.port = port === PORTS[url.scheme] ? null : port;
            buffer = "";
          } else if (override) return undefined;
          if (override) return url;
          state = "path start";
          place--;
        } else return undefined;
        break;
      case "file":
        url.scheme = "file:";
        url.host = "";
        if (c === "/" || c === "\\") state = "file slash";
        else if (base && base.scheme === "file:") {
          url.host = base.host;
          url.path = [...base.path];
          url.query = base.query;
          if (c === "?") {
            url.query = "";
            state = "query";
          } else if (c === "#") {
            url.fragment = "";
            state = "fragment";
          } else if (c !== undefined) {
            url.query = null;
            if (startsWithDriveLetter(rest(place))) url.path = [];
            else shorten(url);
            state = "path";
            place--;
          }
        } else {
          state = "path";
          place--;
        }
        break;
      case "file slash":
        if (c === "/" || c === "\\") state = "file host";
        else {
          if (base && base.scheme === "file:") {
            url.host = base.host;
            if (!startsWithDriveLetter(rest(place)) && /^[a-z]:$/i.test(base.path[0] ?? ""))
              url.path.push(base.path[0]);
          }
          state = "path";
          place--;
        }
        break;
      case "file host":
        if (c === undefined || c === "/" || c === "\\" || c === "?" || c === "#") {
          place--;
          if (!override && isDriveLetter(buffer)) state = "path";
          else if (buffer === "") {
            url.host = "";
            if (override) return url;
            state = "path start";
          } else {
            const host = parseHost(buffer, special);
            if (host === undefined) return undefined;
            url.host = host === "localhost" ? "" : host;
            if (override) return url;
            buffer = "";
            state = "path start";
          }
        } else buffer += c;
        break;
      case "path start":
        if (isSpecial(url)) {
          state = "path";
          if (c !== "/" && c !== "\\") place--;
        } else if (!override && c === "?") {
          url.query = "";
          state = "query";
        } else if (!override && c === "#") {
          url.fragment = "";
          state = "fragment";
        } else if (c !== undefined) {
          state = "path";
          if (c !== "/") place--;
        } else if (override && url.host === null) url.path.push("");
        break;
      case "path": {
        const isSlash = c === "/" || (special && c === "\\");
        if (c === undefined || isSlash || (!override && (c === "?" || c === "#"))) {
          if (isDoubleDot(buffer)) {
            shorten(url);
            if (!isSlash) url.path.push("");
          } else if (isSingleDot(buffer)) {
            if (!isSlash) url.path.push("");
          } else {
            if (url.scheme === "file:" && url.path.length === 0 && isDriveLetter(buffer)) buffer = `${buffer[0]}:`;
            url.path.push(buffer);
          }
          buffer = "";
          if (c === "?") {
            url.query = "";
            state = "query";
          } else if (c === "#") {
            url.fragment = "";
            state = "fragment";
          }
        } else buffer += percentEncoded(c, PATH);
        break;
      }
      case "opaque path":
        if (c === "?" || c === "#") {
          if (c === "?") url.query = "";
          else url.fragment = "";
          state = c === "?" ? "query" : "fragment";
        } else if (c === " ") url.path += points[place + 1] === "?" || points[place + 1] === "#" ? "%20" : " ";
        else if (c !== undefined) url.path += percentEncoded(c, "");
        break;
      case "query":
        if ((!override && c === "#") || c === undefined) {
          url.query += percentEncoded(buffer, special ? SPECIAL_QUERY : QUERY);
          buffer = "";
          if (c === "#") {
            url.fragment = "";
            state = "fragment";
          }
        } else buffer += c;
        break;
      default: // fragment
        if (c !== undefined) url.fragment += percentEncoded(c, FRAGMENT);
    }
  }
  return url;
};

const pathText = (url) => (hasOpaquePath(url) ? url.path : url.path.map((one) => `/${one}`).join(""));
const hostText = (url) => (url.host === null ? "" : url.host + (url.port === null ? "" : `:${url.port}`));
const urlText = (url, withoutFragment = false) => {
  let made = url.scheme;
  if (url.host !== null) {
    made += "//";
    if (url.username || url.password) made += `${url.username}${url.password ? `:${url.password}` : ""}@`;
    made += hostText(url);
  } else if (!hasOpaquePath(url) && url.path.length > 1 && url.path[0] === "") made += "/.";
  made += pathText(url);
  if (url.query !== null) made += `?${url.query}`;
  if (url.fragment !== null && !withoutFragment) made += `#${url.fragment}`;
  return made;
};
