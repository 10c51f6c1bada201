"""Settings of this repository's own tests: Hypothesis' profiles."""

from hypothesis import HealthCheck, settings

# A server on two cores that other workers load too: an example's time says nothing, and setting rows up takes a while.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("dev", max_examples=25, stateful_step_count=20, **_COMMON)
settings.register_profile("ci", max_examples=100, stateful_step_count=30, **_COMMON)
settings.register_profile("thorough", max_examples=1000, stateful_step_count=50, **_COMMON)
settings.load_profile("dev")
