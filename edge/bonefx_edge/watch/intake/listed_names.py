"""Names as a folder lists them: exFAT, FAT and NTFS find a file by its name in any case."""

import os


class ListedNames:
    """The names in folders below a root, where the case of letters does not matter to the system.

    Where it matters, which one call to the system finds out, every name is as it is listed.
    """

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._ignores_case: bool | None = None
        self._folder, self._names = b"", frozenset[bytes]()

    def __contains__(self, path: bytes) -> bool:
        """Return whether a file that exists is listed by exactly this path."""
        if self._ignores_case is None and path.swapcase() != path:
            self._ignores_case = _has_two_names(self._root, path)
        if not self._ignores_case:
            return True
        folder, name = os.path.split(path)
        if not self._names or folder != self._folder:
            self._folder = folder
            self._names = frozenset(os.listdir(os.path.join(self._root, folder)))
        return name in self._names


def listed_path(root: bytes, path: bytes) -> bytes:
    """Return the path of a file as its folder lists it; events name it as its writer did.

    Raises
    ------
    OSError
        The folder cannot be listed.
    """
    if path in ListedNames(root):
        return path
    folder, name = os.path.split(path)
    folded = os.fsdecode(name).casefold()
    for listed in os.listdir(os.path.join(root, folder)):
        if os.fsdecode(listed).casefold() == folded:
            return os.path.join(folder, listed)
    return path


def _has_two_names(root: bytes, path: bytes) -> bool:
    """Return whether the file is found by its name in the other case, too."""
    full, name = os.path.join(root, path), os.path.basename(path)
    other = os.path.join(os.path.dirname(full), name.swapcase())
    try:
        return os.path.samestat(os.lstat(full), os.lstat(other))
    except (FileNotFoundError, NotADirectoryError):
        return False
