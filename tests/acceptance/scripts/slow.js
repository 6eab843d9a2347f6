async function main(data) {
  await new Promise(function (resolve) {
    setTimeout(resolve, 1500);
  });
  return data;
}
