// An error, whatever it is and however hostile its getters, as plain text.
const MESSAGE_LENGTH = 2000;
const STACK_LENGTH = 4000;

const describe = (thrown) => {
  let name = "Error";
  let message = "[a value that cannot be shown]";
  let stack = "";
  try {
    if (thrown instanceof NativeError) {
      stack = cut(text(thrown.stack), STACK_LENGTH);
      message = cut(text(thrown.message), MESSAGE_LENGTH);
      name = cut(text(thrown.name), 100);
    } else {
      name = "Thrown";
      message = cut(printable(thrown), MESSAGE_LENGTH);
    }
  } catch {
    // Its own getters threw; what was read before that stands.
  }
  return `{"name":${stringify(name)},"message":${stringify(message)},"stack":${stringify(stack)}}`;
};

const isOutOfMemory = (thrown) => {
  try {
    return thrown instanceof EngineError && thrown.message === "out of memory";
  } catch {
    return false;
  }
};
