"""The pure core: values and functions. No await, no I/O, no clock, no randomness, no logging."""
