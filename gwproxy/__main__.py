"""`python -m gwproxy` is the command `gwproxy`."""

import os
import sys

from gwproxy.runtime.held_back import hold_back


def main() -> None:
    """Run the command."""
    for number in range(3):
        # What is closed would be opened again as something else, and written to.
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.argv[1:2] == ["run"]:
        # Before anything large is loaded: a reload asked for in these moments is done when there is something to.
        hold_back()
    from gwproxy.cli import main as command

    command()


if __name__ == "__main__":
    main()
