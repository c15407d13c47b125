"""Settings of every test."""

from __future__ import annotations

from hypothesis import settings

# The machines that run these tests are shared: how long one example takes says nothing.
settings.register_profile("surtitle", deadline=None)
settings.load_profile("surtitle")
