"""``scriptforge test``: an author's tests are programs of the sandbox's, whose host runs scripts for them."""
