"""Other systems under the same scenarios, each in a process of its own, with an environment of its own."""
