"""Rehearsals: declared workflow tests, played with the real engine on a clock of their own. `accord test` is made of
this.
"""
