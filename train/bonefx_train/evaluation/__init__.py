"""Scores, metrics and operating points on images the fit never saw."""
