"""What `scriptforge dev` is made of."""
