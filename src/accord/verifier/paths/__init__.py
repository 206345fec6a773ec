"""Paths through the branches of a graph, all at once: what tasks may be skipped together, and which reads may fail.

A graph's conditions, and how its tasks end, become formulas that Z3 decides. What a condition says that has no formula
here may give anything: so what is proven holds, whatever it gives. What Z3 finds is a run's input with outputs of
tasks, and counts only where the values fit their schemas and CEL itself takes that path. Needs the extra `proofs`.
"""
