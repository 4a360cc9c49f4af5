"""Host side: one training run becomes three model files, if parity holds."""
