// Refuses calls to numbers whose owners do not want them. The list is in the assignment's vars.
function main(data) {
  const number = data.routing.dest_number.replace(/^(\+|00)/, '');

  if (data.do_not_call.numbers.includes(number)) {
    console.warn('on the do-not-call list:', number);
    // The caller hears this SIP answer.
    throw new Error('603 Do Not Call');
  }
  return data;
}
