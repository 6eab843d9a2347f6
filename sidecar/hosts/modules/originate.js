({ ask }) => {
  const { named, orNothing } = texts;

  const originate = async (company, server, destination, cli, extension) => {
    const failed = new Error(); // made here, where it was asked
    const { id, refused } = await ask(
      "originate",
      orNothing("company", company),
      named("server", server),
      named("destination", destination),
      orNothing("cli", cli),
      named("extension", extension),
    );
    if (refused === undefined) return { id };
    throw refusal(failed, refused[0], refused[1]);
  };
  return { originate };
};
