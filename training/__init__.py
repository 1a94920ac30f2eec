"""Labelled images to a bundle that can be trusted: fit, calibrate, export, evaluate."""

import os

# albumentations asks the network for a newer version when it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
