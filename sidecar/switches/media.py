"""The sounds of calls as the operator configured them, for the drivers that make them here."""

from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sipio.media.settings import FetchSettings, MediaSettings, SpeechSettings


def media_settings(configuration: Configuration) -> MediaSettings:
    """Ports, speech, fetching and tones. Raises ConfigurationError for ports that are no range."""
    sip = configuration.sip
    low, _, high = sip.rtp_ports.partition("-")
    if not (low.isdigit() and high.isdigit() and 1024 <= int(low) < int(high) <= 65535):
        raise ConfigurationError(f"sip.rtp_ports: {sip.rtp_ports!r} is no range of ports, such as 20000-29999")
    cache = configuration.voice.cache
    return MediaSettings(
        port_first=int(low),
        port_last=int(high),
        timeout_seconds=sip.media_timeout_seconds,
        ringback=sip.country,
        speech=SpeechSettings(command=sip.speech_command, voice=sip.speech_voice, cache=cache / "speech"),
        fetch=FetchSettings(cache=cache / "fetched"),
    )
