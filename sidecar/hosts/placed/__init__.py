"""Calls that scripts place: by whom and where to, one call from its ringing to its end, and all of them."""
