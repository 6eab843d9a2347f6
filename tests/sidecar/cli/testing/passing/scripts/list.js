import { read, sql, create, update } from 'cxUserspace';

export async function main(data) {
  const row = await read(data.db, data.routing.dest_number);
  if (row) return Promise.reject([604, 'Blocked: ' + row.value]);
  await create(data.db, data.routing.dest_number, { value: 'called', times: 1 });
  await update(data.db, data.routing.dest_number, { times: 2 });
  const [{ n }] = await sql(`select count(*) as n from ${data.db} where value = :why`, { why: 'called' });
  data.routing.cli = String(n);
  return data;
}
