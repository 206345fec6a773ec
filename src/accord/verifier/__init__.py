"""The verifier: what can be proven of a graph before it runs. Nothing runs unverified."""
