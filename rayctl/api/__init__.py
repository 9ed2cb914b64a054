"""What things are: the resource, its status, what is observed of it, and the names of all that belongs to it.

Frozen records and total functions on them. No I/O, no clock, no randomness; msgspec is the one third-party
import.
"""
