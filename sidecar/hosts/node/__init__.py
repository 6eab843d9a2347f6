"""Node's core modules and what is installed of npm, as packages of a program: no script asks a host for anything of it.

What is in ``modules`` is ours, of one file for each module; with the packages that package-lock.json names
packaging/core-modules makes of it the texts in ``built``, of which none is kept in the repository.
"""
