"""Measurements, run by hand: they report and never fail because something took long."""
