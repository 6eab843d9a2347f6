({ ask }) => {
  const { keyOf, whole, wholeIn } = texts;
  const nameOf = (db) => {
    if (typeof db === "string") return db;
    throw new TypeError("the name of a database is a text");
  };
  const rowOf = (row) => (row === undefined ? null : wholeIn(row));
  const isFilter = (given) => typeof given === "object" && given !== null;

  const create = async (db, key, row) => {
    await ask("create", nameOf(db), keyOf(key), rowOf(row));
  };
  const read = async (db, key) => await ask("read", nameOf(db), keyOf(key));
  const update = async (db, key, row) => {
    await ask("update", nameOf(db), keyOf(key), rowOf(row));
  };
  const remove = async (db, key) => {
    await ask("delete", nameOf(db), keyOf(key));
  };
  const get = async (db, wanted, { limit, offset } = {}) =>
    isFilter(wanted)
      ? await ask("find", nameOf(db), wholeIn(wanted), limit ?? 1000, offset ?? 0)
      : await ask("read", nameOf(db), keyOf(wanted));
  const random = async (db, wanted = {}) => {
    if (!isFilter(wanted)) throw new TypeError("random(db, {column: value})");
    return await ask("random", nameOf(db), wholeIn(wanted));
  };
  const sql = async (statement, parameters = {}) => {
    if (typeof statement !== "string") throw new TypeError("sql(text, {name: value})");
    if (!isFilter(parameters)) throw new TypeError("the parameters of sql are an object: {name: value} for :name");
    return await ask("sql", whole("statement", statement), wholeIn(parameters));
  };
  const knex = () => {
    throw new Error("knex is not available here: sql(text, {name: value}) asks the same databases");
  };

  return { create, read, update, delete: remove, get, random, sql, knex };
};
