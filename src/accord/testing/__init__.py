"""What proves an adapter or an agent: suites, fakes and the simulation. Imports no test framework but pytest."""
