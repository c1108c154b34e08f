"""`python -m gwproxy` is the command `gwproxy`."""

from gwproxy.cli import main

if __name__ == "__main__":
    main()
