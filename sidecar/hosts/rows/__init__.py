"""A tenant's databases of rows, each a table of its own, so that what is indexed is found and not looked for."""
