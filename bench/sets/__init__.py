"""Sets that others have made, put in as files: what the planner and the verifier make of them."""
