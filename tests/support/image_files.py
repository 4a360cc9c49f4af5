"""Image files as bytes, one small builder per kind, so that each test shows its own input."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
DIGITAL_X_RAY = "1.2.840.10008.5.1.4.1.1.1.1"


def gray_film(height=40, width=56, *, seed=0):
    """Return a bright bone on a dark ground with some grain, uint8 (height, width)."""
    rows, columns = np.mgrid[:height, :width]
    bone = 170 * np.exp(-(((columns - width / 2) / (width / 6)) ** 2)) + 40 * rows / height
    grain = np.random.default_rng(seed).integers(0, 12, (height, width))
    return (bone + grain).astype(np.uint8)


def deep_film(height=40, width=56, *, bits=12, seed=0):
    """Return the same bone with `bits` bits, uint16 (height, width)."""
    grain = np.random.default_rng(seed).integers(0, 1 << (bits - 8), (height, width))
    return ((gray_film(height, width).astype(np.uint16) << (bits - 8)) + grain).astype(np.uint16)


def color_picture(height=40, width=56):
    """Return a colorful gradient, uint8 RGB (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width]
    channels = [rows * 255 // height, columns * 255 // width, 255 - rows * 255 // height]
    return np.stack(channels, axis=-1).astype(np.uint8)


def with_pillow(pixels, kind, **options):
    """Return the file that Pillow writes for an array (uint8 or uint16; 2, 3 or 4 channels)."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation):
    """Return Pillow's EXIF block with this orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def jpeg_file(pixels, **options):
    """Return a JPEG of quality 90; options as Pillow's (progressive, exif, …)."""
    return with_pillow(pixels, "JPEG", **{"quality": 90, **options})


def png_chunk(kind, content):
    """Return one PNG chunk with its right checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_file(*, width, height, bits, color_type, rows, extra=b""):
    """Return a PNG of these raw rows (bytes, without filter byte) with `extra` chunks in front."""
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", data)
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


def tiff_file(
    pixels,
    *,
    photometric=1,
    order="<",
    compression=1,
    predictor=1,
    rows_per_strip=16,
    following=0,
    tags=(),
):
    """Return a TIFF in strips of an array (height, width[, channels]), uint8, uint16 or other.

    `compression` is 1 (none), 5 (LZW), 8 or 32946 (Deflate), 32773 (PackBits).
    `tags` are further (tag, type, values) triples and replace those written by default.
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    stored = pixels.reshape(height, width, channels)
    if predictor == 2:
        stored = np.diff(stored, axis=1, prepend=np.zeros_like(stored[:, :1]))
    stored = stored.astype(stored.dtype.newbyteorder(order))
    strips = [
        stored[top : top + rows_per_strip].tobytes() for top in range(0, height, rows_per_strip)
    ]
    pack = {1: bytes, 5: lzw_strip, 32773: pack_bits}.get(compression, zlib.compress)
    strips = [pack(strip) for strip in strips]
    offsets = np.cumsum([8, *(len(strip) for strip in strips)])
    entries = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [pixels.dtype.itemsize * 8] * channels),
        259: (3, [compression]),
        262: (3, [photometric]),
        273: (4, list(offsets[:-1])),
        277: (3, [channels]),
        278: (4, [rows_per_strip]),
        279: (4, [len(strip) for strip in strips]),
        317: (3, [predictor]),
        **{tag: (kind, values) for tag, kind, values in tags},
    }
    directory = _tiff_directory(entries, order=order, at=int(offsets[-1]), following=following)
    magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, offsets[-1])
    return magic + b"".join(strips) + directory


def tiled_tiff(pixels, *, tile=(16, 32), order="<", compression=1, predictor=1, tags=()):
    """Return a TIFF in tiles (rows, columns) of a gray or RGB array; parameters as `tiff_file`."""
    height, width = tile
    stored = pixels.reshape(*pixels.shape[:2], -1)
    down, across = -(-stored.shape[0] // height), -(-stored.shape[1] // width)
    beyond = (down * height - stored.shape[0], across * width - stored.shape[1])
    stored = np.pad(stored, ((0, beyond[0]), (0, beyond[1]), (0, 0)), mode="edge")
    tiles = stored.reshape(down, height, across, width, -1).swapaxes(1, 2)
    if predictor == 2:
        tiles = np.diff(tiles, axis=3, prepend=np.zeros_like(tiles[:, :, :, :1]))
    tiles = tiles.astype(tiles.dtype.newbyteorder(order)).reshape(down * across, -1)
    pack = {1: bytes, 5: lzw_strip, 32773: pack_bits}.get(compression, zlib.compress)
    packed = [pack(block.tobytes()) for block in tiles]
    offsets = [int(at) for at in np.cumsum([8, *(len(block) for block in packed)])]
    channels = stored.shape[2]
    entries = {
        256: (4, [pixels.shape[1]]),
        257: (4, [pixels.shape[0]]),
        258: (3, [pixels.dtype.itemsize * 8] * channels),
        259: (3, [compression]),
        262: (3, [1 if channels == 1 else 2]),
        277: (3, [channels]),
        317: (3, [predictor]),
        322: (4, [width]),
        323: (4, [height]),
        324: (4, offsets[:-1]),
        325: (4, [len(block) for block in packed]),
        **{tag: (kind, values) for tag, kind, values in tags},
    }
    directory = _tiff_directory(entries, order=order, at=offsets[-1], following=0)
    magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, offsets[-1])
    return magic + b"".join(packed) + directory


def _tiff_directory(entries, *, order, at, following):
    """Return the directory that starts at byte `at`, its long values behind it."""
    values_at = at + 2 + len(entries) * 12 + 4
    directory, values = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(numbers)}{'HI'[kind - 3]}", *numbers)
        if len(packed) > 4:
            where = struct.pack(order + "I", values_at + len(values))
            values, packed = values + packed, where
        directory += struct.pack(order + "HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    return directory + struct.pack(order + "I", following) + values


def lzw_strip(content):
    """Return the bytes as TIFF LZW, after the encoder in TIFF 6.0 section 13."""
    table = {bytes([value]): value for value in range(256)}
    codes, known = [256], b""
    for value in content:
        longer = known + bytes([value])
        if longer in table:
            known = longer
            continue
        codes.append(table[known])
        table[longer] = len(table) + 2
        if table[longer] == 4094:
            codes.append(256)
            table = {bytes([root]): root for root in range(256)}
        known = longer[-1:]
    return lzw_codes([*codes, *([table[known]] if known else []), 257])


def lzw_codes(codes):
    """Return the codes packed from the highest bit on, each as wide as a TIFF reader expects it."""
    bits, since_clear = "", 0
    for code in codes:
        entries = since_clear + 257
        bits += format(code, f"0{9 + (entries > 510) + (entries > 1022) + (entries > 2046)}b")
        since_clear = 0 if code == 256 else since_clear + 1
    return bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))


def bmp_file(pixels):
    """Return the BMP that OpenCV writes: 8-bit palette for gray, 24 bit for RGB."""
    bgr = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    return cv2.imencode(".bmp", bgr)[1].tobytes()


def dicom_file(pixels, *, syntax=EXPLICIT, stream=None, bits=None, overlay_bit=None, **elements):
    """Return DICOM Part 10 of a digital radiograph, window-less MONOCHROME2 unless said otherwise.

    Parameters
    ----------
    pixels
        (rows, columns), uint8, uint16 or int16: the stored values.
    syntax
        Transfer syntax UID; compressed ones need `stream`, the compressed frame.
    bits
        Bits Stored; all of the dtype where None.
    overlay_bit
        Overlay Bit Position of the first overlay group; None writes no overlay.
    elements
        Further elements by keyword; None leaves a default one out.
    """
    allocated = pixels.dtype.itemsize * 8
    dataset = Dataset()
    defaults = {
        "SOPClassUID": DIGITAL_X_RAY,
        "SOPInstanceUID": generate_uid(entropy_srcs=["bonefx"]),
        "Modality": "DX",
        "PatientName": "Secret^Name",
        "PatientID": "SECRET-ID-4711",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": allocated,
        "BitsStored": bits or allocated,
        "HighBit": (bits or allocated) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    for keyword, value in {**defaults, **elements}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if overlay_bit is not None:
        dataset.add_new(0x60000102, "US", overlay_bit)
    if stream is None:
        dataset.add_new(0x7FE00010, "OW", pixels.tobytes() + b"\0" * (pixels.nbytes % 2))
    else:
        dataset.add_new(0x7FE00010, "OB", encapsulate([stream]))
        dataset["PixelData"].is_undefined_length = True
    return write_dicom(dataset, syntax=syntax)


def write_dicom(dataset, *, syntax):
    """Return the dataset as DICOM Part 10."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", DIGITAL_X_RAY)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def without_preamble(data, *, begins="meta"):
    """Return DICOM Part 10 from its "DICM", its file meta information or its data set on."""
    dataset = data.index(b"\x08\0\x16\0")  # SOP Class UID, the first element of `dicom_file`
    return data[{"magic": 128, "meta": 132, "dataset": dataset}[begins] :]


def lut_item(entries, *, first=0, bits=16):
    """Return a LUT sequence of one item: `entries` from input value `first` on."""
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries) % 65536, first, bits])
    item.add_new(0x00283006, "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def rle_stream(pixels):
    """Return an RLE frame of literal runs and repeats (PS3.5 annex G)."""
    planes = pixels[..., None].astype(pixels.dtype.newbyteorder(">")).view(np.uint8)
    segments = [pack_bits(planes[..., index].tobytes()) for index in range(planes.shape[-1])]
    offsets = np.cumsum([64, *(len(segment) for segment in segments)])[:-1]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets)))
    return header + b"".join(segments)


def pack_bits(data):
    """Return runs of 3 or more as repeats, the rest as literal runs; padded to even length."""
    packed, at = b"", 0
    while at < len(data):
        run = 1
        while run < 128 and data[at + run : at + run + 1] == data[at : at + 1]:
            run += 1
        if run > 2:
            packed += bytes([257 - run, data[at]])
        else:
            packed += bytes([run - 1]) + data[at : at + run]
        at += run
    return packed + b"\x80" * (len(packed) % 2)


def dicom_rle(pixels, **elements):
    """Return RLE-compressed DICOM."""
    return dicom_file(pixels, syntax=RLELossless, stream=rle_stream(pixels), **elements)


def dicom_jpeg(pixels, *, syntax=JPEGBaseline8Bit, **elements):
    """Return DICOM with an 8-bit JPEG frame."""
    return dicom_file(pixels, syntax=syntax, stream=jpeg_file(pixels), **elements)


def dicom_jpeg_ls(pixels, **elements):
    """Return DICOM with a lossless JPEG-LS frame; needs pyjpegls."""
    import jpeg_ls

    stream = bytes(jpeg_ls.encode_array(pixels))
    return dicom_file(pixels, syntax=JPEGLSLossless, stream=stream, **elements)


def dicom_jpeg_2000(pixels, *, bits=None, **elements):
    """Return DICOM with a lossless JPEG 2000 frame; needs pylibjpeg-openjpeg."""
    from openjpeg import utils

    options = {"bits_stored": bits} if bits else {}
    stream = bytes(utils.encode_array(pixels, photometric_interpretation=2, **options))
    return dicom_file(pixels, syntax=JPEG2000Lossless, stream=stream, bits=bits, **elements)
