"""The nouns that everybody shares: bytes, keys, proofs, transactions, blocks, certificates, genesis.

Reading order: hashing, codec, keys, address, merkle, validators, kinds, transaction, block, certificate, receipt,
genesis, proof. Nothing here reads a clock, a disk or a socket.
"""
