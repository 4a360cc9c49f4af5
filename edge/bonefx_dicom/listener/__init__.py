"""C-STORE SCP: films that a modality sends become files in the watched folder."""
