// An Error that is also [code, reason], as the pair that it used to be; made where the author asked.
(failed, code, reason) => {
  failed.message = `${code} ${reason}`;
  const pair = {
    code,
    reason,
    0: code,
    1: reason,
    length: 2,
    [Symbol.iterator]: () => [code, reason][Symbol.iterator](),
  };
  for (const key of Reflect.ownKeys(pair))
    Object.defineProperty(failed, key, { __proto__: null, value: pair[key], writable: true, configurable: true });
  return failed;
};
