"""The daemons and platforms that belong together, as each tells of itself: for people to look at, nothing else."""
