function main(data) {
  data.routing.egress_routing.unshift({
    gw: { 'gw-evil': { cli: '1', uri: 'sip:127.0.0.66:5060' } },
    headers: [],
    remove_headers: [],
  });
  return data;
}
