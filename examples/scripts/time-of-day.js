// Outside office hours only the gateways that answer at night are tried.
function main(data) {
  const { utc_offset_hours, open, close, night_gateways } = data.schedule;

  // The switch may say when the call began; else it is now.
  const began = data.routing.start_time ? new Date(data.routing.start_time) : new Date();
  const local = new Date(began.getTime() + utc_offset_hours * 3600 * 1000);
  const time = local.toISOString().slice(11, 16); // such as "22:30"

  if (time < open || time >= close) {
    console.log(`closed at ${time}`);
    data.egress_routing = data.egress_routing.filter((destination) =>
      Object.keys(destination.gw).some((gateway) => night_gateways.includes(gateway)),
    );
  }
  return data;
}
