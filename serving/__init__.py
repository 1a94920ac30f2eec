"""Frames to inspections to reviews to metrics to ROI: the inspection service. Never imports torch."""
