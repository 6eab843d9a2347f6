"""Talks to switches and phones, and knows nothing of scripts."""
