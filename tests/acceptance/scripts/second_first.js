function main(data) {
  data.routing.egress_routing.reverse();
  var first = data.routing.egress_routing[0].gw;
  first[Object.keys(first)[0]].cli = '15558880000';
  return data;
}
