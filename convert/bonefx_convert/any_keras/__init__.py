"""Keras classifiers that bonefx-train did not make: read, checked, and given one logit."""
