"""The whole network in one process on virtual time: one plan, one run.

Reading order: plan (what a run does), schedule, network, signatures, world (where it starts), disks, intake, machine,
node (the product's rooms and turns), roles, byzantine, checkers, cluster, faults, run, failure, shrinking, summary.
`python -m simulation.campaign` plays many seeds, `hnchain sim` one.
"""
