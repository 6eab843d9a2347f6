"""Runs JavaScript it does not trust, within limits, and knows nothing of telephony."""
