"""Chained, pipelined PBFT as a pure core: `Replica.step(event) -> Effects` (S0 to S12, C1 to C16, L1 to L8).

Reading order: messages (what travels), events (what goes in and comes out), epochs, journal_records, slots, block_tree,
proposal_rules, view_change, liveness, probation, state, deciding, ordering, one_chain, new_view_record, view_moves,
repair, key_watch, restoring, replica; then evidence, detection, forensics. No clock, disk, socket or randomness here;
the driver verifies signatures with `verification.check_message` before a message is stepped.
"""
