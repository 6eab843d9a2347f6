function main(data) {
  data.routing.cli = '15559990000';
  data.routing.dest_number = '4930111';
  return data;
}
