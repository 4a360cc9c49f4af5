"""How far a converted model is from the network it was made from."""
