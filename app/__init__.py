"""Protocolpoort: the signed data-sharing protocol is the access policy."""

__version__ = "0.1.0"
