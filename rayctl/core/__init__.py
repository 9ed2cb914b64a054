"""What to do: values in, values out.

The thinking of the operator. Nothing here does I/O, reads a clock or rolls dice; time is an argument, and
data that cannot be used is a value, not an exception.
"""
