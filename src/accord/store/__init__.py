"""Adapters of the journal: SQLite for the embedded default, and one in memory for the simulation."""
