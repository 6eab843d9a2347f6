"""Jobs are run: taken from the queue, in workers of their own, kept alive, and acknowledged."""
