"""`python -m forge` is the command `forge`."""

from forge.cli import main

main()
