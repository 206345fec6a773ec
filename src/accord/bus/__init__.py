"""Adapters of the bus: in-process for the embedded default."""
