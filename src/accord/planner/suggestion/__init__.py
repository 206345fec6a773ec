"""Graphs that a language model suggests: only suggestions, which the verifier judges and a person confirms."""
