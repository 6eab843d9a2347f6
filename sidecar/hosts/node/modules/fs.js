// Files of one run, in its memory: nothing is there when it begins but two folders, and nothing when it has ended.
const { Buffer } = require("buffer");
const path = require("path");
const { nextTick } = require("process");
const { absent, checkFunction, unavailable, wrongType } = require("./shared/errors");

const CODES = {
  EBADF: [-9, "bad file descriptor"],
  EEXIST: [-17, "file already exists"],
  EINVAL: [-22, "invalid argument"],
  EISDIR: [-21, "illegal operation on a directory"],
  ENOENT: [-2, "no such file or directory"],
  ENOTDIR: [-20, "not a directory"],
  ENOTEMPTY: [-39, "directory not empty"],
};
const failed = (code, syscall, name, other) => {
  const [errno, said] = CODES[code];
  const shown = name === undefined ? "" : ` '${name}'${other === undefined ? "" : ` -> '${other}'`}`;
  const error = new Error(`${code}: ${said}, ${syscall}${shown}`);
  Object.assign(error, { errno, code, syscall });
  if (name !== undefined) error.path = name;
  if (other !== undefined) error.dest = other;
  return error;
};

const constants = {
  F_OK: 0,
  R_OK: 4,
  W_OK: 2,
  X_OK: 1,
  COPYFILE_EXCL: 1,
  COPYFILE_FICLONE: 2,
  COPYFILE_FICLONE_FORCE: 4,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 64,
  O_EXCL: 128,
  O_TRUNC: 512,
  O_APPEND: 1024,
  S_IFMT: 61440,
  S_IFREG: 32768,
  S_IFDIR: 16384,
  S_IFLNK: 40960,
};

let lastNumber = 0;
// Those that are there when a run begins have no time yet.
const newNode = (isFolder, mode, now = undefined) => {
  const node = { ino: ++lastNumber, isFolder, mode, made: now, changed: now, read: now };
  if (isFolder) node.children = new Map();
  else node.bytes = Buffer.alloc(0);
  return node;
};
const root = newNode(true, 0o755);
root.children.set("tmp", newNode(true, 0o777));
const makeNode = (isFolder, mode) => newNode(isFolder, mode, Date.now());

class Stats {
  constructor(node) {
    const size = node.isFolder ? 0 : node.bytes.length;
    Object.assign(this, {
      dev: 1,
      mode: (node.isFolder ? constants.S_IFDIR : constants.S_IFREG) | node.mode,
      nlink: 1,
      uid: 65534,
      gid: 65534,
      rdev: 0,
      blksize: 4096,
      ino: node.ino,
      size,
      blocks: Math.ceil(size / 512),
    });
    const now = Date.now();
    for (const [name, time = now] of [
      ["atime", node.read],
      ["mtime", node.changed],
      ["ctime", node.changed],
      ["birthtime", node.made],
    ]) {
      this[`${name}Ms`] = time;
      this[name] = new Date(time);
    }
  }
}
class Dirent {
  constructor(name, parentPath, node) {
    Object.assign(this, { name, parentPath, path: parentPath });
    Object.defineProperty(this, "mode", { value: node.isFolder ? constants.S_IFDIR : constants.S_IFREG });
  }
}
for (const Class of [Stats, Dirent]) {
  const is = (kind) =>
    function () {
      return (this.mode & constants.S_IFMT) === kind;
    };
  Object.assign(Class.prototype, {
    isDirectory: is(constants.S_IFDIR),
    isFile: is(constants.S_IFREG),
    isSymbolicLink: is(constants.S_IFLNK),
    isBlockDevice: () => false,
    isCharacterDevice: () => false,
    isFIFO: () => false,
    isSocket: () => false,
  });
}

// ---- where something is ----

const plain = (given, name = "path") => {
  if (typeof given === "string") return given;
  if (Buffer.isBuffer(given)) return given.toString();
  if (given instanceof Uint8Array) return Buffer.from(given).toString();
  if (given?.href !== undefined) return require("url").fileURLToPath(given);
  throw wrongType(name, "of type string or an instance of Buffer or URL", given);
};
const partsOf = (name) => path.resolve("/", name).split("/").filter(Boolean);
const find = (name, syscall, other) => {
  let node = root;
  for (const part of partsOf(name)) {
    if (!node.isFolder) throw failed("ENOTDIR", syscall, name, other);
    node = node.children.get(part);
    if (node === undefined) throw failed("ENOENT", syscall, name, other);
  }
  return node;
};
const folderOf = (name, syscall) => {
  const parts = partsOf(name);
  const last = parts.pop();
  let node = root;
  for (const part of parts) {
    node = node.isFolder ? node.children.get(part) : undefined;
    if (node === undefined) throw failed("ENOENT", syscall, name);
  }
  if (!node.isFolder) throw failed("ENOTDIR", syscall, name);
  return { folder: node, last };
};
const optionsOf = (given, usual) => ({ ...usual, ...(typeof given === "string" ? { encoding: given } : given) });
const bytesOf = (data, encoding) => {
  if (typeof data === "string") return Buffer.from(data, encoding ?? "utf8");
  if (ArrayBuffer.isView(data)) return Buffer.from(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  throw wrongType("data", "of type string or an instance of Buffer, TypedArray, or DataView", data);
};
const shown = (bytes, encoding) => (encoding && encoding !== "buffer" ? bytes.toString(encoding) : bytes);

// ---- open files ----

const FLAGS = {
  r: 0,
  "r+": 2,
  rs: 0,
  "rs+": 2,
  w: 1 | 64 | 512,
  wx: 1 | 64 | 512 | 128,
  "w+": 2 | 64 | 512,
  "wx+": 2 | 64 | 512 | 128,
  a: 1 | 64 | 1024,
  ax: 1 | 64 | 1024 | 128,
  "a+": 2 | 64 | 1024,
  "ax+": 2 | 64 | 1024 | 128,
};
const opened = new Map();
let lastDescriptor = 2;
const openNode = (given, flags = "r", mode = 0o666, syscall = "open") => {
  const name = plain(given);
  const bits = typeof flags === "number" ? flags : FLAGS[flags];
  if (bits === undefined)
    throw Object.assign(new TypeError(`The argument 'flags' is invalid. Received '${flags}'`), {
      code: "ERR_INVALID_ARG_VALUE",
    });
  const { folder, last } = folderOf(name, syscall);
  let node = last === undefined ? root : folder.children.get(last);
  if (node === undefined) {
    if (!(bits & constants.O_CREAT)) throw failed("ENOENT", syscall, name);
    node = makeNode(false, mode & ~0o22);
    folder.children.set(last, node);
    folder.changed = Date.now();
  } else if (bits & constants.O_EXCL) {
    throw failed("EEXIST", syscall, name);
  } else if (node.isFolder && bits & 3) {
    throw failed("EISDIR", syscall, name);
  }
  if (bits & constants.O_TRUNC) setBytes(node, Buffer.alloc(0));
  return { node, bits, at: 0 };
};
const setBytes = (node, bytes) => {
  node.bytes = bytes;
  node.changed = Date.now();
};
const fileOf = (descriptor, syscall) => {
  if (typeof descriptor !== "number") throw wrongType("fd", "of type number", descriptor);
  const file = opened.get(descriptor);
  if (file === undefined) throw failed("EBADF", syscall);
  return file;
};
const writeAt = (file, bytes, position) => {
  if (!(file.bits & 3)) throw failed("EBADF", "write");
  const at = file.bits & constants.O_APPEND ? file.node.bytes.length : (position ?? file.at);
  const before = file.node.bytes;
  const made = Buffer.alloc(Math.max(before.length, at + bytes.length));
  made.set(before);
  made.set(bytes, at);
  setBytes(file.node, made);
  if (position === undefined || position === null) file.at = at + bytes.length;
  return bytes.length;
};
const onNode = (given, flags, options, step) => {
  const file = typeof given === "number" ? fileOf(given, "write") : openNode(given, flags, options.mode);
  return step(file);
};

// ---- what can be asked ----

const sync = {
  access(given) {
    find(plain(given), "access");
  },
  appendFile(given, data, options) {
    const { encoding, flag, mode } = optionsOf(options, { flag: "a" });
    onNode(given, flag, { mode }, (file) => writeAt(file, bytesOf(data, encoding)));
  },
  chmod(given, mode) {
    find(plain(given), "chmod").mode = mode;
  },
  chown(given) {
    find(plain(given), "chown");
  },
  close(descriptor) {
    fileOf(descriptor, "close");
    opened.delete(descriptor);
  },
  copyFile(from, to, mode = 0) {
    const node = find(plain(from), "copyfile", plain(to));
    if (node.isFolder) throw failed("EISDIR", "copyfile", plain(from), plain(to));
    const flags = mode & constants.COPYFILE_EXCL ? "wx" : "w";
    writeAt(openNode(to, flags, node.mode, "copyfile"), Buffer.from(node.bytes));
  },
  fchmod(descriptor, mode) {
    fileOf(descriptor, "fchmod").node.mode = mode;
  },
  fdatasync(descriptor) {
    fileOf(descriptor, "fdatasync");
  },
  fstat(descriptor) {
    return new Stats(fileOf(descriptor, "fstat").node);
  },
  fsync(descriptor) {
    fileOf(descriptor, "fsync");
  },
  ftruncate(descriptor, length = 0) {
    truncateNode(fileOf(descriptor, "ftruncate").node, length);
  },
  futimes(descriptor, read, changed) {
    setTimes(fileOf(descriptor, "futime").node, read, changed);
  },
  lstat(given, options) {
    return sync.stat(given, options, "lstat");
  },
  mkdir(given, options) {
    const name = plain(given);
    const { recursive = false, mode = 0o777 } =
      typeof options === "object" && options !== null ? options : { mode: options };
    let node = root;
    let first;
    const parts = partsOf(name);
    for (const [index, part] of parts.entries()) {
      if (!node.isFolder) throw failed("ENOTDIR", "mkdir", name);
      const next = node.children.get(part);
      const isLast = index === parts.length - 1;
      if (next !== undefined && isLast && (!recursive || !next.isFolder)) throw failed("EEXIST", "mkdir", name);
      if (next === undefined) {
        if (!isLast && !recursive) throw failed("ENOENT", "mkdir", name);
        node.children.set(part, makeNode(true, (mode ?? 0o777) & ~0o22));
        first ??= `/${parts.slice(0, index + 1).join("/")}`;
      }
      node = node.children.get(part);
    }
    if (parts.length === 0 && !recursive) throw failed("EEXIST", "mkdir", name);
    return recursive ? first : undefined;
  },
  mkdtemp(prefix, options) {
    const digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let name = plain(prefix, "prefix");
    for (let count = 0; count < 6; count++) name += digits[Math.floor(Math.random() * digits.length)];
    sync.mkdir(name, 0o700);
    return shown(Buffer.from(name), optionsOf(options, { encoding: "utf8" }).encoding);
  },
  open(given, flags, mode) {
    opened.set(++lastDescriptor, openNode(given, flags ?? "r", mode ?? 0o666));
    return lastDescriptor;
  },
  readdir(given, options) {
    const { encoding, withFileTypes, recursive } = optionsOf(options, { encoding: "utf8" });
    const name = plain(given);
    const node = find(name, "scandir");
    if (!node.isFolder) throw failed("ENOTDIR", "scandir", name);
    const found = [];
    const walk = (folder, before) => {
      for (const [child, one] of [...folder.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const within = before ? `${before}/${child}` : child;
        found.push(
          withFileTypes
            ? new Dirent(child, before ? path.join(name, before) : name, one)
            : shown(Buffer.from(within), encoding),
        );
        if (recursive && one.isFolder) walk(one, within);
      }
    };
    walk(node, "");
    return found;
  },
  readFile(given, options) {
    const { encoding, flag } = optionsOf(options, { flag: "r" });
    const { node } = typeof given === "number" ? fileOf(given, "read") : openNode(given, flag);
    if (node.isFolder) throw failed("EISDIR", "read");
    return shown(Buffer.from(node.bytes), encoding);
  },
  read(descriptor, into, offset = 0, length = into.byteLength - offset, position = null) {
    if (offset !== null && typeof offset === "object")
      ({ offset = 0, length = into.byteLength - offset, position = null } = offset);
    const file = fileOf(descriptor, "read");
    if (file.node.isFolder) throw failed("EISDIR", "read");
    const at = position === null || position === -1 ? file.at : Number(position);
    const bytes = file.node.bytes.subarray(at, at + length);
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(bytes, offset);
    if (position === null || position === -1) file.at += bytes.length;
    return bytes.length;
  },
  realpath(given) {
    const name = plain(given);
    find(name, "lstat");
    return path.resolve("/", name);
  },
  rename(from, to) {
    const [name, other] = [plain(from), plain(to)];
    const node = find(name, "rename", other);
    const target = folderOf(other, "rename");
    const before = target.folder.children.get(target.last);
    if (before?.isFolder && !node.isFolder) throw failed("EISDIR", "rename", name, other);
    if (before !== undefined && !before.isFolder && node.isFolder) throw failed("ENOTDIR", "rename", name, other);
    if (before?.isFolder && before.children.size) throw failed("ENOTEMPTY", "rename", name, other);
    if (`${path.resolve("/", other)}/`.startsWith(`${path.resolve("/", name)}/`) && node.isFolder && node !== before)
      throw failed("EINVAL", "rename", name, other);
    const source = folderOf(name, "rename");
    source.folder.children.delete(source.last);
    target.folder.children.set(target.last, node);
  },
  rm(given, { recursive = false, force = false } = {}) {
    const name = plain(given);
    let node;
    try {
      node = find(name, "rm");
    } catch (error) {
      if (force) return;
      throw failed("ENOENT", "lstat", name, undefined, error);
    }
    if (node.isFolder && !recursive)
      throw Object.assign(new Error(`Path is a directory: rm returned EISDIR (is a directory) ${name}`), {
        name: "SystemError",
        code: "ERR_FS_EISDIR",
        errno: 21,
        syscall: "rm",
        path: name,
      });
    const { folder, last } = folderOf(name, "rm");
    folder.children.delete(last);
  },
  rmdir(given, { recursive = false } = {}) {
    const name = plain(given);
    const node = find(name, "rmdir");
    if (!node.isFolder) throw failed("ENOTDIR", "rmdir", name);
    if (node.children.size && !recursive) throw failed("ENOTEMPTY", "rmdir", name);
    const { folder, last } = folderOf(name, "rmdir");
    folder.children.delete(last);
  },
  stat(given, options, syscall = "stat") {
    try {
      return new Stats(find(plain(given), syscall));
    } catch (error) {
      if (options?.throwIfNoEntry === false && error.code === "ENOENT") return undefined;
      throw error;
    }
  },
  truncate(given, length = 0) {
    truncateNode(openNode(given, "r+").node, length);
  },
  unlink(given) {
    const name = plain(given);
    if (find(name, "unlink").isFolder) throw failed("EISDIR", "unlink", name);
    const { folder, last } = folderOf(name, "unlink");
    folder.children.delete(last);
  },
  utimes(given, read, changed) {
    setTimes(find(plain(given), "utime"), read, changed);
  },
  write(descriptor, data, offset, length, position) {
    const file = fileOf(descriptor, "write");
    if (typeof data === "string") return writeAt(file, Buffer.from(data, length ?? "utf8"), offset);
    if (offset !== null && typeof offset === "object") ({ offset = 0, length, position } = offset);
    const begin = offset ?? 0;
    const bytes = bytesOf(data).subarray(begin, begin + (length ?? data.byteLength - begin));
    return writeAt(file, bytes, position);
  },
  writeFile(given, data, options) {
    const { encoding, flag, mode } = optionsOf(options, { flag: "w" });
    const bytes = bytesOf(data, encoding);
    onNode(given, flag, { mode }, (file) => writeAt(file, bytes));
  },
};
const truncateNode = (node, length) => {
  const made = Buffer.alloc(length);
  made.set(node.bytes.subarray(0, length));
  setBytes(node, made);
};
const setTimes = (node, read, changed) => {
  node.read = +new Date(typeof read === "number" ? read * 1000 : read);
  node.changed = +new Date(typeof changed === "number" ? changed * 1000 : changed);
};
const LINKS = ["link", "lutimes", "readlink", "symlink", "statfs", "cp", "opendir", "watch", "watchFile", "lchown"];

// ---- the same, later ----

const fs = { constants, Stats, Dirent, F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };
const promises = { constants };
// What is told besides the number of bytes.
const FURTHER = { read: (values) => values[1], write: (values) => values[1] };
for (const [name, ask] of Object.entries(sync)) {
  fs[`${name}Sync`] = ask;
  fs[name] = (...values) => {
    const callback = values.pop();
    checkFunction("cb", callback);
    let answer;
    try {
      answer = ask(...values);
    } catch (error) {
      if (error.errno === undefined) throw error;
      nextTick(callback, error);
      return;
    }
    if (FURTHER[name]) nextTick(callback, null, answer, FURTHER[name](values));
    else if (answer === undefined) nextTick(callback, null);
    else nextTick(callback, null, answer);
  };
  promises[name] = async (...values) => ask(...values);
}
for (const name of ["close", "read", "write", "fchmod", "fdatasync", "fstat", "fsync", "ftruncate", "futimes"])
  delete promises[name];
Object.assign(fs, absent("fs", [...LINKS, ...LINKS.map((name) => `${name}Sync`)]), {
  existsSync: (given) => {
    try {
      find(plain(given), "access");
      return true;
    } catch {
      return false;
    }
  },
  exists: (given, callback) => nextTick(callback, fs.existsSync(given)),
  promises,
  unwatchFile() {},
});
fs.realpathSync.native = fs.realpathSync;
fs.realpath.native = fs.realpath;
Object.assign(promises, absent("fs.promises", LINKS));

class FileHandle {
  constructor(descriptor) {
    this.fd = descriptor;
  }
  async read(into, ...more) {
    const buffer = ArrayBuffer.isView(into) ? into : (into?.buffer ?? Buffer.alloc(16384));
    return { bytesRead: sync.read(this.fd, buffer, ...(ArrayBuffer.isView(into) ? more : [into ?? {}])), buffer };
  }
  async write(data, ...more) {
    return { bytesWritten: sync.write(this.fd, data, ...more), buffer: data };
  }
  async close() {
    sync.close(this.fd);
    this.fd = -1;
  }
}
for (const [name, plainName] of [
  ["appendFile", "appendFile"],
  ["chmod", "fchmod"],
  ["datasync", "fdatasync"],
  ["readFile", "readFile"],
  ["stat", "fstat"],
  ["sync", "fsync"],
  ["truncate", "ftruncate"],
  ["utimes", "futimes"],
  ["writeFile", "writeFile"],
])
  FileHandle.prototype[name] = async function (...values) {
    return sync[plainName](this.fd, ...values);
  };
promises.open = async (...values) => new FileHandle(sync.open(...values));

// ---- streams ----

const PIECE = 65536;
fs.createReadStream = (given, options) => {
  const { Readable } = require("stream");
  const { encoding, flags, start, end = Infinity, highWaterMark = PIECE, ...more } = optionsOf(options, { flags: "r" });
  let at = start ?? 0;
  const stream = new Readable({
    ...more,
    encoding,
    highWaterMark,
    construct(done) {
      try {
        stream.fd = more.fd ?? sync.open(given, flags);
      } catch (error) {
        return done(error);
      }
      done();
      stream.emit("open", stream.fd);
      stream.emit("ready");
    },
    read(size) {
      const bytes = Buffer.alloc(Math.max(0, Math.min(size, highWaterMark, end - at + 1)));
      try {
        const count = sync.read(stream.fd, bytes, 0, bytes.length, at);
        at += count;
        stream.bytesRead += count;
        this.push(count ? bytes.subarray(0, count) : null);
      } catch (error) {
        this.destroy(error);
      }
    },
    destroy(error, done) {
      if (stream.fd !== null && more.autoClose !== false && opened.has(stream.fd)) sync.close(stream.fd);
      stream.fd = null;
      done(error);
    },
  });
  return Object.assign(stream, { path: given, bytesRead: 0, fd: stream.fd ?? null });
};
fs.createWriteStream = (given, options) => {
  const { Writable } = require("stream");
  const { encoding, flags, mode, start, ...more } = optionsOf(options, { flags: "w" });
  let at = start;
  const stream = new Writable({
    ...more,
    defaultEncoding: encoding ?? "utf8",
    construct(done) {
      try {
        stream.fd = more.fd ?? sync.open(given, flags, mode);
      } catch (error) {
        return done(error);
      }
      done();
      stream.emit("open", stream.fd);
      stream.emit("ready");
    },
    write(chunk, _encoding, done) {
      try {
        const count = sync.write(stream.fd, chunk, 0, chunk.length, at);
        if (at !== undefined) at += count;
        stream.bytesWritten += count;
      } catch (error) {
        return done(error);
      }
      done();
    },
    destroy(error, done) {
      if (stream.fd !== null && more.autoClose !== false && opened.has(stream.fd)) sync.close(stream.fd);
      stream.fd = null;
      done(error);
    },
  });
  stream.close = (callback) => {
    if (callback) stream.once("close", callback);
    stream.end();
  };
  return Object.assign(stream, { path: given, bytesWritten: 0, fd: stream.fd ?? null, pending: false });
};
for (const name of ["ReadStream", "WriteStream"]) {
  fs[name] = function (...values) {
    return fs[`create${name}`](...values);
  };
}
fs.openAsBlob = () => {
  throw unavailable("fs.openAsBlob");
};
module.exports = fs;
