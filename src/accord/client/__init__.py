"""Accord for programs: a client of a server, `accord.Client`, and the `Service` that a server offers."""
