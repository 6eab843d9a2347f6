({ ask }) => {
  const text = String;
  const email = async (mail) => {
    if (typeof mail !== "object" || mail === null)
      throw new TypeError("email({to, subject, text}) or email({to, template, vars})");
    await ask("email", mail);
  };
  const sms = async (number, message) => {
    if (typeof number !== "string" && typeof number !== "number") throw new TypeError("sms(number, text)");
    if (typeof message !== "string") throw new TypeError("sms(number, text)");
    return await ask("sms", text(number), message);
  };
  return { email, sms };
};
