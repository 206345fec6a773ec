"""Suites that prove an adapter of a port: subclass the suite in a pytest module and say how the adapter is opened."""
