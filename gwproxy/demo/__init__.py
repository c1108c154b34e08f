"""The demo: sample services that really answer, and the gateway in front of them."""
