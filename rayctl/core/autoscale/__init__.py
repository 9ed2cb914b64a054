"""How many workers of each pod type there should be, and which of them may go.

Pure: what Ray asks for and what runs come in as values, time as an argument; a Plan comes out. Nothing here
knows of gRPC or of Kubernetes' API.
"""
