"""Bytes on disk and their proofs: what is stored, when it is durable, and how damage is noticed.

Reading order: failures, store (protocol and memory), leveldb, schema, twig, tree_layers, state_tree, anchor, chain;
disk, memory_disk, journal; data_directory (puts them together), audit. Knows no rule of points and no vote of
consensus.
"""
