"""Audio of calls for the embedded user agent: RTP, G.711, digits, sounds, recording, relay. No SIP.

`engine.MediaEngine` opens a `session.MediaSession` for each leg; `relay.Relay` joins two.
"""
