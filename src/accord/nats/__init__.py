"""NATS as Accord uses it: subjects, connection, streams, the bus on JetStream, and who may do what."""
