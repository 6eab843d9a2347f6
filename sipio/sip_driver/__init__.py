"""The embedded SIP user agent as a driver of calls: sessions of sipio.sip and media of sipio.media, joined."""
