// Numbers in a Buffer, by the realm's own DataView, with Node's errors.
const { coded, outOfRange, wrongType } = require("./errors");

const checkPlace = (buffer, offset, size) => {
  if (typeof offset !== "number") throw wrongType("offset", "of type number", offset);
  if (Number.isInteger(offset) && offset >= 0 && offset <= buffer.length - size) return;
  if (!Number.isInteger(offset)) throw outOfRange("offset", "an integer", offset);
  if (buffer.length < size)
    throw coded(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", "Attempt to access memory outside buffer bounds");
  throw outOfRange("offset", `>= 0 and <= ${buffer.length - size}`, offset);
};
const checkValue = (value, least, most, size) => {
  if (!(value > most || value < least)) return;
  const mark = typeof least === "bigint" ? "n" : "";
  const bits = size * 8;
  const wanted =
    size <= 4
      ? `>= ${least}${mark} and <= ${most}${mark}`
      : `${least < 0 ? `>= -(2${mark} ** ${bits - 1}${mark})` : `>= 0${mark}`} and < 2${mark} ** ${least < 0 ? bits - 1 : bits}${mark}`;
  throw outOfRange("value", wanted, value);
};
const viewOf = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);

// How DataView calls them, their size in bytes, and what fits.
const KINDS = [
  ["Int8", 1, -128, 127],
  ["UInt8", 1, 0, 255],
  ["Int16", 2, -32768, 32767],
  ["UInt16", 2, 0, 65535],
  ["Int32", 4, -(2 ** 31), 2 ** 31 - 1],
  ["UInt32", 4, 0, 2 ** 32 - 1],
  ["BigInt64", 8, -(2n ** 63n), 2n ** 63n - 1n],
  ["BigUInt64", 8, 0n, 2n ** 64n - 1n],
  ["Float", 4],
  ["Double", 8],
];
const IN_VIEW = { Float: "Float32", Double: "Float64" };

module.exports = (Buffer, define) => {
  const add = (name, value) =>
    define(Buffer.prototype, {
      [name]: value,
      ...(name.includes("UInt") && { [name.replace("UInt", "Uint")]: value }),
    });
  for (const [kind, size, least, most] of KINDS) {
    const inView = IN_VIEW[kind] ?? kind.replace("UInt", "Uint");
    for (const [end, isLittle] of size === 1
      ? [["", true]]
      : [
          ["LE", true],
          ["BE", false],
        ]) {
      add(`read${kind}${end}`, function (offset = 0) {
        checkPlace(this, offset, size);
        return viewOf(this)[`get${inView}`](offset, isLittle);
      });
      add(`write${kind}${end}`, function (given, offset = 0) {
        const value = typeof least === "bigint" ? given : +given;
        if (typeof least === "bigint" && typeof value !== "bigint") BigInt.asIntN(64, value);
        if (least !== undefined) checkValue(value, least, most, size);
        checkPlace(this, offset, size);
        viewOf(this)[`set${inView}`](offset, value, isLittle);
        return offset + size;
      });
    }
  }
  const checkLength = (size) => {
    if (typeof size !== "number") throw wrongType("byteLength", "of type number", size);
    if (!(Number.isInteger(size) && size >= 1 && size <= 6))
      throw outOfRange("byteLength", Number.isInteger(size) ? ">= 1 and <= 6" : "an integer", size);
  };
  for (const isSigned of [true, false]) {
    for (const isLittle of [true, false]) {
      const name = `${isSigned ? "Int" : "UInt"}${isLittle ? "LE" : "BE"}`;
      add(`read${name}`, function (offset, size) {
        if (offset === undefined) throw wrongType("offset", "of type number", offset);
        checkLength(size);
        checkPlace(this, offset, size);
        let value = 0;
        for (let index = 0; index < size; index++)
          value = value * 256 + this[offset + (isLittle ? size - 1 - index : index)];
        return isSigned && value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
      });
      add(`write${name}`, function (given, offset, size) {
        checkLength(size);
        const value = +given;
        const span = 2 ** (8 * size);
        checkValue(value, isSigned ? -span / 2 : 0, (isSigned ? span / 2 : span) - 1, size);
        checkPlace(this, offset, size);
        let left = value < 0 ? value + span : value;
        for (let index = 0; index < size; index++, left = Math.floor(left / 256))
          this[offset + (isLittle ? index : size - 1 - index)] = left % 256;
        return offset + size;
      });
    }
  }
};
