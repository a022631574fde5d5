"""Real processes under faults, with targets: `make chaos`. Not part of `make test`; each run leaves a report."""
