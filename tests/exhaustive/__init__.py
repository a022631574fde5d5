"""Exhaustive search of a small scope: real cores, every order of deliveries, timeouts and forgeries within a bound.

`canon` (canonical digests of cores), `registry` (blocks and messages by name), `machines` (one core as a
table of transitions), `soup` (what the traitor can assemble from what was sent), `search` (the global states), `run`.
"""
