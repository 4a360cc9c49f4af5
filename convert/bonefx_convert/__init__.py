"""Host side: turn one training run into float32, dynamic-range and int8 model files, gated by parity."""
