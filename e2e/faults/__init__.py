"""Seeded faults against a real control plane, and a checker that knows only what Kubernetes has on record.

`python -m e2e.faults --help`; e2e/README.md tells what is drawn, what is asserted and what cannot be proved.
"""
