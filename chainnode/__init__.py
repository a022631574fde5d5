"""The node: it knows every room and nobody knows it.

Reading order: config, node (composition root), driver (inbox -> step -> effects), bodies and executor, builder,
catchup; then the edges: wire, handshake, peers; mempool, batches; api, http_server, admin_server.
"""
