"""What is told live: of agents, of runs; over Socket.IO and as server-sent events."""
