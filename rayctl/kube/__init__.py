"""Talking to Kubernetes: the only importer of ``kubernetes`` and of aiohttp's client.

Bytes of the API become the slim records of :mod:`rayctl.api.observed` here, and nothing of the wire leaves.
Reads are shared and cached; the operator's writes leave through :mod:`rayctl.kube.writer` alone, which the
lease shuts. Knows no Ray and decides nothing.
"""
