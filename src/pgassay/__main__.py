"""``python -m pgassay`` is the command ``pgassay``."""

from pgassay.cli import main

main(prog_name="pgassay")
