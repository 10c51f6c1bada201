"""What the tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .worlds import Api, Site, World, new_world, serving_site

settings.register_profile(
    "campaigns", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("campaigns")


@pytest.fixture(scope="module")
def site(api_database: Api) -> Iterator[Site]:
    """A server outside of development: who has no token is nobody."""
    with serving_site(api_database) as site:
        yield site


@pytest.fixture
def world(site: Site) -> World:
    return new_world(site)
