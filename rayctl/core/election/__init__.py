"""Who leads: a candidate's part in the election on a Lease, without I/O.

What happened (:mod:`.events`) goes into the :mod:`.candidate`'s state machine, and what is to be done
(:mod:`.actions`) comes out; :mod:`.lease` is what is fought for.
"""
