"""Lossless JPEG streams (T.81 annex H) by a plain encoder, one pixel at a time."""

import struct

import numpy as np
from image_files import dicom_file

SV1, ANY_PREDICTOR = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57"
COUNTS = bytes([0, 0, 0, 7, 8, *[0] * 10, 2])
"""Codes per length: 4 bits for the categories 0 to 6, 5 for 7 to 14, 16 for 15 and 16."""
CATEGORIES = bytes(range(17))


def lossless_stream(
    pixels, *, bits=None, predictor=1, rows_per_interval=0, shift=0, padding="1", rest=b"\xff\xd9"
):
    """Return the stream of unsigned pixels (rows, columns); `shift` is the point transform."""
    height, width = pixels.shape
    bits = bits or pixels.dtype.itemsize * 8
    frame = struct.pack(">BHHB", bits, height, width, 1) + b"\x01\x11\x00"
    scan = bytes([1, 1, 0, predictor, 0, shift])
    stream = b"\xff\xd8" + _segment(0xC3, frame)
    stream += _segment(0xC4, b"\0" + COUNTS + CATEGORIES)
    if rows_per_interval:
        stream += _segment(0xDD, struct.pack(">H", rows_per_interval * width))
    stream += _segment(0xDA, scan)
    rows, known = rows_per_interval or height, {}
    for index, top in enumerate(range(0, height, rows)):
        if index:
            stream += bytes([0xFF, 0xD0 + (index - 1) % 8])
        block = pixels[top : top + rows].astype(int) >> shift
        first = 1 << (bits - shift - 1)
        if block.tobytes() not in known:
            coded = _coded(block, predictor=predictor, first=first, padding=padding)
            known[block.tobytes()] = coded
        stream += known[block.tobytes()]
    return stream + rest


def dicom_lossless_jpeg(pixels, *, bits=None, syntax=SV1, predictor=1, **elements):
    """Return DICOM with a lossless JPEG frame."""
    stream = lossless_stream(pixels, bits=bits, predictor=predictor)
    return dicom_file(pixels, syntax=syntax, stream=stream, bits=bits, **elements)


def _segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def _coded(block, *, predictor, first, padding):
    codes = _codes()
    bits = ""
    for (row, column), value in np.ndenumerate(block):
        predicted = _predict(block, row, column, predictor=predictor, first=first)
        bits += _difference((int(value) - predicted) % 65536, codes)
    bits += padding * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def _predict(block, row, column, *, predictor, first):
    if row == 0:
        return first if column == 0 else int(block[0, column - 1])
    above = int(block[row - 1, column])
    if column == 0:
        return above
    left, corner = int(block[row, column - 1]), int(block[row - 1, column - 1])
    return {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor]


def _difference(difference, codes):
    signed = difference - 65536 if difference > 32768 else difference
    category = abs(signed).bit_length()
    if category in (0, 16):
        return codes[category]
    extra = signed if signed > 0 else signed + (1 << category) - 1
    return codes[category] + format(extra, f"0{category}b")


def _codes():
    """Return the Huffman code of each category as a text of 0 and 1 (T.81 annex C)."""
    codes, code, categories = {}, 0, iter(CATEGORIES)
    for length, count in enumerate(COUNTS, start=1):
        for _ in range(count):
            codes[next(categories)] = format(code, f"0{length}b")
            code += 1
        code <<= 1
    return codes
