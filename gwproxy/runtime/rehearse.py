"""`python -m gwproxy.runtime.rehearse FILE [HELD …]`: could this code serve FILE, here and now?

Asked by a supervisor before it becomes this code: what fails afterwards would end the gateway. HELD are the addresses
whose sockets it would be handed; the others are bound for a moment. Prints why not, and ends with 1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gwproxy.config.problems import ConfigError
from gwproxy.runtime import child, serve
from gwproxy.runtime.listeners import ListenError, Listeners, told_with_place
from gwproxy.runtime.reading import read

LOADED = (child, serve)
"""All that an upgrade will load: code that is only half installed is found now."""


def faults(path: Path, held: set[str]) -> list[str]:
    """Why FILE could not be served; nothing where it could."""
    try:
        loaded = read(path, os.environ).loaded
    except ConfigError as error:
        return [*map(str, error.problems)]
    listeners = Listeners()
    try:
        with told_with_place(loaded):
            listeners.opened([address for address in loaded.config.gateway.listen if address not in held])
    except ListenError as error:
        return [str(error)]
    finally:
        listeners.close()
    return []


def main(words: list[str]) -> int:
    """Tell all faults."""
    found = faults(Path(words[0]), set(words[1:]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
