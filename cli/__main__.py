"""`python -m cli` is `hnchain`."""

from cli.main import main

main()
