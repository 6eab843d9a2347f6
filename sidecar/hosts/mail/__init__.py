"""Mail that scripts send: its templates, its form, and the server that takes it."""
