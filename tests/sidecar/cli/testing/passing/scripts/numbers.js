const api = require('cxRest').auth(process.env.cx_api_user);

async function main(data) {
  const mine = await api.get('did', { customer_id: data.routing.account_id });
  if (!mine.length) throw new Error('403 No Number');
  data.routing.cli = mine[data.routing.dest_number.length % mine.length].did;
  return data.routing;
}
