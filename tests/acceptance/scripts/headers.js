function main(data) {
  data.headers.push({ key: 'X-Route', value: 'gold' });
  data.remove_headers.push({ key: 'X-Secret' });
  data.remove_headers.push({ key: 'Subject' });
  data.routing.egress_routing.forEach(function (destination) {
    var gateway = Object.keys(destination.gw)[0];
    destination.headers = [{ key: 'X-Gateway', value: gateway }];
  });
  return data;
}
