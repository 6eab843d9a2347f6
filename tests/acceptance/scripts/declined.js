async function main(data) {
  return Promise.reject([603, 'Declined By Script']);
}
