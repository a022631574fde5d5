"""The whole network in one process on virtual time: one plan, one run.

Reading order: plan (what a run does), schedule, network, signatures, application, shell, node (the loop), byzantine,
checkers, cluster, run. `python -m simulation.campaign` plays many seeds, `python -m simulation.replay` one.
"""
