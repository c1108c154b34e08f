"""RSA keys that some chips made until 2017 and that can be factored: CVE-2017-15361, "ROCA".

Their primes are powers of 65537 modulo the product of the first small primes, and so is their modulus. One in some
hundred million other keys looks the same by chance.
"""

from __future__ import annotations

from typing import Final

GENERATOR: Final = 65537
_PRIMES: Final = [p for p in range(3, 168) if all(p % d for d in range(2, p))]
_POWERS: Final = [(p, frozenset(pow(GENERATOR, i, p) for i in range(p))) for p in _PRIMES]


def is_roca(modulus: int) -> bool:
    """Whether a modulus has the shape that those chips gave it."""
    return all(modulus % p in powers for p, powers in _POWERS)
