"""The nouns of the HTTP API, a module each: a `router` with its operations, and how they look in JSON."""
