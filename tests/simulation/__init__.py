"""The whole network in one process on virtual time: one seed, one run.

Reading order: plan (what a run does), schedule, network, signatures, application, shell, node (the loop), byzantine,
checkers, cluster, run. `python -m tests.simulation.campaign` plays many seeds, `tests.simulation.replay` one.
"""
