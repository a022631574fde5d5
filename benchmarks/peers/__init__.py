"""The same work on systems that merchants already know: PostgreSQL, Redis, etcd, beside a network of ours.

`transfers` is the work; `postgresql`, `redis_server` and `etcd_members` start a system and speak to it through a client
library; `closed_loop` keeps so many transfers outstanding, in a process of its own; `our_network` runs a throw-away
network of ours; `rounds` interleaves the systems; `table` says what was measured, and what each system does not do.
"""
