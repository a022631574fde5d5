"""The rules of the points exchange: pure functions from (view of the state, transaction) to changes or a reject.

Reading order: state (records and keys), view (overlay with savepoints), authority (who may sign what), lots, clearing,
then one file per noun (issuing, redemption, paycodes, holds, refunds, exchange, transfers, merchants, accounts,
freezes), validators and validator_changes (who votes in which epoch), settlement and expiry (what time does),
transition (apply_transaction, begin_block, apply_block), queries, roster, invariants.
No clock, no disk, no floats: every node that applies the same blocks gets the same bytes.
"""
