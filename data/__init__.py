"""Bottom layer: words, images, catalogs, thresholds and the model bundle. Never imports torch."""
