"""gwproxy: the single front door of a set of HTTP services."""

# A constant, not importlib.metadata: a checkout that was never installed knows its version too, and an older
# installed copy cannot answer for it. A test holds it to setup.cfg.
__version__ = "0.1.0"
