"""The whole network in one process on virtual time: one plan, one run.

Reading order: plan (what a run does), schedule, network, signatures, application, shell, node (the loop), roles,
byzantine, checkers, cluster, faults, run, failure, shrinking, summary. `python -m simulation.campaign` plays many
seeds, `hnchain sim` one.
"""
