"""What the supervisor and its workers say to each other: msgspec structs, one a packet, told apart by their tag.

A configuration travels as a file in memory whose descriptor goes with `Prepare`, so that every packet is small and
whole. `Drain` and `Ended` keep their form for ever: after an upgrade a new supervisor says the one to old workers.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from gwproxy.config.loaded import Loaded
from gwproxy.config.places import Places
from gwproxy.config.schema import Config
from gwproxy.config.units import plain, typed
from gwproxy.limits.known import Known
from gwproxy.telemetry.tally import Tally

VERSION: Final = 1
"""Of this language. A worker that speaks another is replaced. One more message makes no other language: who does not
know it does nothing about it.
"""


class Message(Struct, frozen=True, tag=True, array_like=True):
    """Anything that is said."""


# -- by the supervisor


class Prepare(Message, frozen=True):
    """Compile the configuration of `generation` and go on serving the one in force.

    With it come descriptors: the configuration, then a listening socket for each of `listeners`. `store` is where
    limits are counted, where the file leaves that to the gateway.
    """

    generation: int
    instance: str
    listeners: tuple[str, ...]
    store: str = ""


class Swap(Message, frozen=True):
    """Serve the prepared `generation` from the next request on."""

    generation: int


class Forget(Message, frozen=True):
    """Let go of the prepared `generation`: somebody could not prepare it, so nobody serves it."""

    generation: int


class Drain(Message, frozen=True):
    """Accept no more, finish what is under way within `seconds`, and end.

    `hand_over`: idle connections come back as `Handed` instead of being closed.
    """

    seconds: float
    hand_over: bool = False


class Adopt(Message, frozen=True):
    """Serve the connections whose descriptors come with this: another worker had them, and has nothing of them left.

    Answered by `Adopted`, or by `Returned` from who ends itself.
    """

    number: int


class Reopen(Message, frozen=True):
    """The log file has been moved away: write to a new one."""


class Look(Message, frozen=True):
    """Tell what is known of the caller `who`, or, with `reset`, forget it. Answered by `Seen`."""

    number: int
    who: str
    reset: bool = False


class Fleet(Message, frozen=True):
    """How many connections a worker has on average, and whether more than one worker accepts."""

    mean: float
    others: bool


# -- by a worker


class Hello(Message, frozen=True):
    """A worker is there."""

    version: int
    pid: int


class Prepared(Message, frozen=True):
    """`generation` can be swapped in."""

    generation: int


class Refused(Message, frozen=True):
    """`generation` cannot be prepared."""

    generation: int
    why: str


class Swapped(Message, frozen=True):
    """`generation` is served."""

    generation: int


class Beat(Message, frozen=True):
    """The loop turns. What the worker has open now.

    `look`: its share of the fleet has changed, and the others should know before the next beat. `short`: it takes no
    connections for want of descriptors. `trouble`: why limits are not counted by their store, and how often
    it has failed; `evicts`: that it may forget what it has counted, and by which policy. `keys`: which issuer's keys
    could not be fetched last, and why.
    """

    connections: int = 0
    accepting: bool = True
    longest_gc_s: float = 0.0
    look: bool = False
    short: bool = False
    trouble: str = ""
    failures: int = 0
    evicts: str = ""
    keys: str = ""


class Done(Message, frozen=True):
    """What the worker has done since it began."""

    tally: Tally


class Leaving(Message, frozen=True):
    """Somebody else has asked this worker to end: it accepts no more."""


class Handed(Message, frozen=True):
    """Idle connections, as descriptors, for whoever serves on."""


class Adopted(Message, frozen=True):
    """The connections of the Adopt of this number are served here."""

    number: int


class Returned(Message, frozen=True):
    """The connections of the Adopt of this number have not been touched: somebody else shall serve them."""

    number: int


class Seen(Message, frozen=True):
    """What the Look of this number asked for: the limits that know the caller, or how many have forgotten it.

    `more` is how many others there are that one packet has no room for, `error` why there is no answer.
    """

    number: int
    known: tuple[Known, ...] = ()
    forgotten: int = 0
    error: str = ""
    more: int = 0


class Ended(Message, frozen=True):
    """The drain is over, and `cut` connections were cut for it."""

    cut: int


ToWorker = Prepare | Swap | Forget | Drain | Adopt | Reopen | Look | Fleet
ToSupervisor = (
    Hello | Prepared | Refused | Swapped | Beat | Done | Leaving | Handed | Adopted | Returned | Seen | Ended
)

encode: Final = msgspec.msgpack.Encoder(enc_hook=plain).encode
to_worker: Final = msgspec.msgpack.Decoder(ToWorker).decode
to_supervisor: Final = msgspec.msgpack.Decoder(ToSupervisor).decode



class Packed(Struct, frozen=True):
    """What a worker needs of a configuration: neither its files nor where its keys stood."""

    config: Config
    contents: dict[str, bytes]


_packed: Final = msgspec.msgpack.Decoder(Packed, dec_hook=typed)


def packed(loaded: Loaded) -> bytes:
    """A configuration for workers."""
    return encode(Packed(loaded.config, dict(loaded.contents)))


def unpacked(data: bytes) -> Loaded:
    """What `packed` made. Raises msgspec.ValidationError for what is of another version."""
    found = _packed.decode(data)
    return Loaded(config=found.config, contents=found.contents, places=Places(""), files=())
