"""A transparency log as plain values: tree, tiles, notes, proofs and bundles.

Needs the standard library and `cryptography` only, so that an outsider can run it alone.
"""
