"""How many workers of each pod type there should be."""
