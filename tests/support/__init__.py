"""What the tests stand on: a caller, services and a gateway, all on real sockets.

Nothing here uses gwproxy's own parsing or writing, so that an error in the data
path cannot hide itself by being made on both sides.
"""
