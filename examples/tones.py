"""Stands for a speech command where none is installed: a short tone for each word on standard input, as a WAV."""

import array
import io
import math
import sys
import wave

RATE = 8_000
TONE_SECONDS = 0.12
PAUSE_SECONDS = 0.08


def spoken(text: str) -> bytes:
    """A WAV of as many tones as the text has words."""
    samples = array.array("h")
    for number, _ in enumerate(text.split()):
        frequency = 400 + 60 * (number % 5)
        tone = range(round(RATE * TONE_SECONDS))
        samples.extend(round(6_000 * math.sin(math.tau * frequency * at / RATE)) for at in tone)
        samples.extend([0] * round(RATE * PAUSE_SECONDS))
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return written.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(spoken(sys.stdin.read()))
