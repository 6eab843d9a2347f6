"""What an operator sees and does: logs, records, metrics, the service manager, signals, the ordered end."""
