"""Templates as files: read strictly, with places; their published JSON Schema and reference page."""
