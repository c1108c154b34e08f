"""`python -m gwproxy` is the command `gwproxy`."""

import sys

from gwproxy.runtime.held_back import hold_back


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["run"]:
        # Before anything large is loaded: a reload asked for in these moments is done when there is something to.
        hold_back()
    from gwproxy.cli import main as command

    command()


if __name__ == "__main__":
    main()
