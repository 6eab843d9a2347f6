// What a promise fails with, as far as Node and the sandbox say the same: of one file for all programs.
exports.failure = async (promise) => {
  try {
    await promise;
    return "it did not fail";
  } catch (error) {
    const { code, message, name, response } = error;
    return { code, message, name, status: response?.status, data: response?.data };
  }
};
