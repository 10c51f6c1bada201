"""Settings of this repository's own tests: Hypothesis' profiles, and on what the Jobs system is tested."""

import pytest
from hypothesis import HealthCheck, settings

from tests import sampling

# A server on two cores that other workers load too: an example's time says nothing, and setting rows up takes a while.
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("dev", _COMMON, max_examples=25, stateful_step_count=20)
settings.register_profile("ci", _COMMON, max_examples=40, stateful_step_count=30)
settings.register_profile(
    "faults", _COMMON, max_examples=60, stateful_step_count=30
)  # of make faults: none is left out
settings.register_profile("thorough", _COMMON, max_examples=1000, stateful_step_count=50)
settings.load_profile("dev")


def pytest_report_header() -> str:
    """Which sample of long lists is tried, which is the same in every run of a commit."""
    return (
        f"sample of long lists: offset {sampling.offset(sampling.ROOT)}, profile {settings.get_current_profile_name()}"
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of these tests alone."""
    parser.addoption(
        "--restored",
        choices=["schema", "data"],
        help="Run tests/jobs on a dump that was restored, with data or without.",
    )
