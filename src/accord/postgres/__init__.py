"""PostgreSQL as adapters use it: its address, connections, schema and errors. Journal and blobs are elsewhere."""
