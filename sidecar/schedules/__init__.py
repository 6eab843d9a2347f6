"""Schedules, pure: the times at which something is due, and what is made of those that have come."""
