"""Labelled images to a bundle that can be trusted: fit, calibrate, export, evaluate."""
