"""The running services of an orchestrator, one job each. None of them knows an adapter; all of them meet in
`orchestrator`.
"""
