"""Host side: read labelled radiographs, fit a network, evaluate it, choose operating points."""
