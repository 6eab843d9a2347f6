import { price, type Tariff } from "./price";

export function main(data: { routing: any; tariff: Tariff }) {
  data.routing.dest_number = String(price(90, data.tariff));
}
