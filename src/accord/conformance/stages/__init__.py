"""The parts of an examination, in the order in which an agent goes through them."""
