"""Text of a script made such that whoever gets it can write, send and print it: JavaScript's text may hold half of a
surrogate pair, of a name cut in the middle of an emoji or written on purpose, and UTF-8 cannot. Nothing leaves this
package with one."""


def sound(text: str) -> str:
    """The text with each half of a surrogate pair as the escape that its author wrote, ``\\ud800``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
