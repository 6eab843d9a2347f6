"""The modules of the host: each is one Python file of this folder with a ``MODULE``, and one JavaScript file."""
