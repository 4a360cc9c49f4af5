"""C-STORE SCU: results go into the study of their film, in one or more archives."""
