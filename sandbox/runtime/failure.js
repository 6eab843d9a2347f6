// An error, whatever it is and however hostile its getters, as plain text.
const MESSAGE_LENGTH = 2000;
const STACK_LENGTH = 4000;

const describe = (thrown) => {
  const description = bareObject();
  description.name = "Error";
  description.message = "[a value that cannot be shown]";
  description.stack = "";
  try {
    if (thrown instanceof NativeError) {
      description.stack = cut(text(thrown.stack), STACK_LENGTH);
      description.message = cut(text(thrown.message), MESSAGE_LENGTH);
      description.name = cut(text(thrown.name), 100);
    } else {
      description.name = "Thrown";
      description.message = cut(printable(thrown), MESSAGE_LENGTH);
    }
  } catch {
    // Its own getters threw; what was read before that stands.
  }
  return stringify(description);
};

const isOutOfMemory = (thrown) => {
  try {
    return thrown === null || (thrown instanceof EngineError && thrown.message === "out of memory");
  } catch {
    return false;
  }
};
