"""TIFF files: strips and tiles, LZW, Deflate and PackBits."""
