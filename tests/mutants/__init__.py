"""Planted bugs: each row of the tables names a change that a named test must notice. `python -m tests.mutants.run`."""
