"""Adapters of the blob store: files for the embedded default, and one in memory for the simulation."""
