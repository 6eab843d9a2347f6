// What `require('credit')` gives: balance(account), a promise.
({ ask }) => ({ balance: (account) => ask("balance", account) });
