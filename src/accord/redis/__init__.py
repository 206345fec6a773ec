"""Redis as the bus uses it: names, connections, scripts, who may do what, errors. The bus is elsewhere."""
