// The key is HMAC (RFC 2104) by SHA-256 of the company and the server, in hexadecimal digits: it is given at once, so it is
// made here, and by a key that the app itself has.
({ digest }) => {
  const KEY = "PBX_SECURITY_KEY";
  const BLOCK = 64;
  const { named } = texts;
  const hashed = (...parts) => {
    let length = 0;
    for (let index = 0; index < parts.length; index++) length += parts[index].length;
    const bytes = new Uint8Array(length);
    for (let index = 0, at = 0; index < parts.length; at += parts[index++].length) bytes.set(parts[index], at);
    return new Uint8Array(digest("SHA-256", bytes));
  };
  const generatePbxSecurityKey = (company, server) => {
    const first = named("company", company);
    const second = named("server", server);
    if (first.includes(":")) throw new TypeError("a company has no colon"); // which says where the server begins
    const secret = process.env[KEY];
    if (!secret) throw new Error(`generatePbxSecurityKey needs the app's variable ${KEY}`);
    const encoder = new TextEncoder();
    const block = new Uint8Array(BLOCK);
    const key = encoder.encode(secret);
    block.set(key.length > BLOCK ? hashed(key) : key);
    const inner = hashed(
      block.map((byte) => byte ^ 0x36),
      encoder.encode(`${first}:${second}`),
    );
    const made = hashed(
      block.map((byte) => byte ^ 0x5c),
      inner,
    );
    let digits = "";
    for (let index = 0; index < made.length; index++) digits += (made[index] + 256).toString(16).slice(1);
    return digits;
  };
  return { generatePbxSecurityKey };
};
