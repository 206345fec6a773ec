"""Policy in Cedar: who may do what, read from files, decided, and proven of all requests at once. The engine knows the
port `Policy` alone.
"""
