// Adds headers for every gateway and for one, and replaces one that the caller sent.
function main(data) {
  // For all destinations. A number is fine as a value.
  data.headers = [{ key: 'X-Account', value: data.routing.account_id }];

  // To replace a header, remove it, then add it.
  data.remove_headers = [{ key: 'X-Tariff' }];
  data.headers.push({ key: 'X-Tariff', value: data.tariff.name });

  // For one destination only: the first.
  data.egress_routing[0].headers = [{ key: 'X-Priority', value: 1 }];

  return data;
}
