"""Talking to a Ray head's Global Control Store (GCS): the only importer of ``grpc`` and of protobuf.

The operator has no ``ray`` package: a minimal protocol of our own (``protocol.proto``) reads and writes the
same bytes. They become the records of :mod:`rayctl.core.autoscale.demand` here; nothing of the wire leaves.
A head belongs to whoever runs code on it, so its answers are bounded and never trusted. Knows no Kubernetes
and decides nothing. Plaintext only: Ray's TLS is not supported.
"""
