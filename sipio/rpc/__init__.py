"""MessagePack-RPC, the public specification: the socket that a switch adapter in any language speaks."""
