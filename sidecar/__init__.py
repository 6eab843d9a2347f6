"""The product: who has which script, what a script may ask of its host, what its outcome means for a call."""
