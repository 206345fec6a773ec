"""Who may do what over the network: credentials become principals, and principals have rights."""
