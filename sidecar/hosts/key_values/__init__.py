"""What scripts keep by key: one space of keys a tenant, values with an end, counters that count each once."""
