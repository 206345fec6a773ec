"""The gateway: the orchestrator for people, programs and agents on the network.

It talks to a `Node`, and never writes the journal itself.
"""
