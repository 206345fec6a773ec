"""What people and programs are told: runs, results, proofs, templates. One form for the command line, the HTTP API and
its clients, made from what a `Service` answers.
"""
