"""Load and micro benchmarks, against the public API only.

`workload` writes transactions and `signing` signs them into a file before the clock starts; a `fleet` of
`load_process`es sends them at times fixed beforehand with a `generator` over lanes (`http_lane`, `ingress_lane`), one
per node; `outcomes` keeps what became of each; `aftermath` asks the network whether anything answered as committed is
missing; `report` is what is printed and kept; `run` puts one run together.
"""
