"""The command ``pgassay``, which is ``python -m pgassay``, too."""

from pgassay import leaving


def main() -> None:
    """Run the command."""
    leaving.heed_ctrl_c()
    from pgassay.cli import main as command

    command(prog_name="pgassay")


if __name__ == "__main__":
    main()
