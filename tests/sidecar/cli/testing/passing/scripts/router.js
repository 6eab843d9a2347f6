function main(data) {
  if (data.routing.dest_number.startsWith('49')) throw new Error('603 Not To Germany');
  data.routing.cli = data.cli.range;
  data.headers = [{ key: 'X-Time', value: new Date().toISOString() }];
  console.log('dialled', data.routing.dest_number);
}
