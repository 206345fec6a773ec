"""What `accord doctor` looks at, by what can be wrong: the machine, the home, the store, and what is in it."""
