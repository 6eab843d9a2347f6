// What customers' routing scripts do: normalise numbers, classify by prefix, choose and rank destinations, add headers.
const REGIONS = [
  { pattern: /^\+44(20\d+)$/, region: "london", surcharge: 0 },
  { pattern: /^\+44(7\d+)$/, region: "uk-mobile", surcharge: 0.002 },
  { pattern: /^\+44(\d+)$/, region: "uk", surcharge: 0.001 },
  { pattern: /^\+1(\d{10})$/, region: "north-america", surcharge: 0.003 },
];
const OFFICE = { open: 9, close: 17, days: [1, 2, 3, 4, 5] };

class Candidate {
  constructor(destination, surcharge) {
    this.destination = destination;
    this.rate = destination.rate + surcharge;
  }
  carries(codecs) {
    return codecs.every((codec) => this.destination.codecs.includes(codec));
  }
}

function normalise(number) {
  let digits = String(number).replace(/[^\d+]/g, "");
  if (digits.startsWith("00")) digits = "+" + digits.slice(2);
  if (digits.startsWith("0")) digits = "+44" + digits.slice(1);
  return digits;
}

function classify(number) {
  for (const { pattern, region, surcharge } of REGIONS) {
    const match = pattern.exec(number);
    if (match) return { region, surcharge, national: match[1] };
  }
  return { region: "international", surcharge: 0.01, national: number };
}

function isOpen(time) {
  const date = new Date(time);
  const hour = date.getUTCHours();
  return OFFICE.days.includes(date.getUTCDay()) && hour >= OFFICE.open && hour < OFFICE.close;
}

function rank(destinations, surcharge, limit) {
  return destinations
    .map((destination) => new Candidate(destination, surcharge))
    .filter((candidate) => candidate.rate <= limit && candidate.carries(["PCMA"]))
    .sort((one, other) => one.rate - other.rate)
    .map(({ destination }) => destination);
}

function main(data) {
  const { routing } = data;
  routing.cli = normalise(routing.cli);
  routing.dest_number = normalise(routing.dest_number);
  const { region, surcharge, national } = classify(routing.dest_number);
  data.egress_routing = rank(data.egress_routing, surcharge, data.limits.rate);
  for (const destination of data.egress_routing) {
    destination.headers.push({ key: "X-Region", value: region }, { key: "X-Rate", value: destination.rate });
  }
  data.headers.push({ key: "X-Open", value: isOpen(routing.received) ? "yes" : "no" });
  data.headers.push({ key: "X-National", value: `${national}@${data.limits.name ?? "none"}` });
  return data;
}
