"""Weights and biases of an int8 network, set so that its layers come out as in float."""
