"""``--hypothesis-profile thorough`` looks for longer; run it on this folder after a change to the planner."""

from hypothesis import settings

settings.register_profile("thorough", max_examples=2000, deadline=None)
