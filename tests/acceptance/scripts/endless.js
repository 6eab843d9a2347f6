function main(data) {
  for (;;) {}
}
