"""What a cluster's objects look like: the pods of its types and the Service in front of its head.

User data passes through: a field that nobody here has heard of ends up in the pod as it was written. Nothing
given is changed in place; parts of it are shared between the manifests that come out.
"""
