"""The sounds of calls as the operator configured them, for the drivers that make them here."""

from sidecar.configuration.addresses import parse_port_range
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sipio.media.settings import FetchSettings, MediaSettings, SpeechSettings


def media_settings(configuration: Configuration) -> MediaSettings:
    """Ports, speech, fetching and tones. Raises ConfigurationError for ports that are no range."""
    sip = configuration.sip
    try:
        first, last = parse_port_range(sip.rtp_ports)
    except ValueError as error:
        raise ConfigurationError(f"sip.rtp_ports: {error}") from error
    cache = configuration.voice.cache
    return MediaSettings(
        port_first=first,
        port_last=last,
        timeout_seconds=sip.media_timeout_seconds,
        ringback=sip.country,
        speech=SpeechSettings(command=sip.speech_command, voice=sip.speech_voice, cache=cache / "speech"),
        fetch=FetchSettings(cache=cache / "fetched"),
    )
