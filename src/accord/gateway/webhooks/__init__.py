"""Webhooks: other systems are told of events by HTTP, at least once, in the order of each run."""
