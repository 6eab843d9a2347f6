function main(data) {
  throw new Error('404 Not Found');
}
