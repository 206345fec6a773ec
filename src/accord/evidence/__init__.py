"""Evidence: a run as one file that proves itself, and the examination of such a file. It shares nothing with a server
but the forms of what is written: no store, no engine, no network, no home.
"""
