"""Whether every value of one JSON Schema is a value of another one: decided, with a proof or with a witness."""
