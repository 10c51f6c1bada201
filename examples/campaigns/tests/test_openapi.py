"""The OpenAPI document is true: Schemathesis makes requests of it, good and bad, and looks at the answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
from campaigns import api, contracts
from fastapi.routing import APIRoute

from .worlds import Site, World, token_of

EXAMPLES = os.environ.get("CAMPAIGNS_EXAMPLES", "5")
"""Of each operation; the cases at the borders of its schema come besides."""

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def test_schemathesis_finds_nothing(world: World, tmp_path: Path) -> None:
    world.contacts(20)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"]
    command += [f"{world.site.url}/openapi.json", "--header", f"Authorization: Bearer {token_of(world.member)}"]
    command += ["--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--no-color"]
    command += ["--exclude-path-regex", "/events$"]  # a stream has no end; test_events.py has it
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert tested is not None, done.stdout
    assert tested[1] == tested[2]


def test_each_route_of_the_application_is_in_the_document(site: Site) -> None:
    document = site.client().get("/openapi.json").json()
    described = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    served = {
        (method, route.path)
        for route in api.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert described == served


def test_the_guides_body_is_in_the_document_and_is_valid(site: Site) -> None:
    document = site.client().get("/openapi.json").json()
    schema = document["components"]["schemas"]["NewJob"]
    assert schema["examples"] == [contracts.GUIDE]
    jsonschema.validate(contracts.GUIDE, {**schema, "components": document["components"]})
