"""The second way: what other words than a template's phrases mean, learnt from examples."""
