"""Load and micro benchmarks, against the public API only.

`workload` signs transactions before the clock starts; `generator` sends them at times fixed beforehand over lanes
(`http_lane`, `ingress_lane`), one per node; `outcomes` keeps what became of each; `aftermath` asks the network whether
anything answered as committed is missing; `report` is what is printed and kept; `run` puts one run together.
"""
