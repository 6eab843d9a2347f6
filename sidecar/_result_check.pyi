"""The check on the bytes of a Class 4 result and of a switch's routing."""
