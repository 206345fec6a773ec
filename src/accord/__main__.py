"""`python -m accord`: the same as the command `accord`."""

from accord.cli import main

main()
