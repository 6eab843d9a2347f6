"use strict";

// In place of the package of this name, which declares no licence: as much of it as `binary` uses of a stream's pieces.
function Buffers(pieces = []) {
  if (!(this instanceof Buffers)) return new Buffers(pieces);
  this.whole = Buffer.concat(pieces);
}

Object.defineProperty(Buffers.prototype, "length", {
  get() {
    return this.whole.length;
  },
});

Buffers.prototype.push = function (...pieces) {
  this.whole = Buffer.concat([this.whole, ...pieces]);
  return this.length;
};

Buffers.prototype.toBuffer = function () {
  return this.whole;
};

Buffers.prototype.get = function (index) {
  return this.whole[index];
};

Buffers.prototype.slice = function (start = 0, end = this.length) {
  return Buffer.from(this.whole.subarray(start, end));
};

// As an array's: takes bytes out, and gives them back.
Buffers.prototype.splice = function (start, count = this.length - start, ...pieces) {
  const taken = this.slice(start, start + count);
  this.whole = Buffer.concat([this.whole.subarray(0, start), ...pieces, this.whole.subarray(start + count)]);
  return new Buffers([taken]);
};

Buffers.prototype.indexOf = function (searched, start = 0) {
  return this.whole.indexOf(searched, start);
};

module.exports = Buffers;
