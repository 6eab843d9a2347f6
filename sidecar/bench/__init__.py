"""``scriptforge bench``: the daemon's speed beside the same scripts run in QuickJS without a daemon."""
