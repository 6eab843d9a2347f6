// Tries the cheapest destination first, and none above what the customer pays for.
function main(data) {
  const rate = (destination) => Math.min(...Object.values(destination.gw).map((gateway) => Number(gateway.rate)));

  data.egress_routing = data.egress_routing
    .filter((destination) => rate(destination) <= data.margin.highest_rate)
    .sort((one, other) => rate(one) - rate(other));

  return data;
}
