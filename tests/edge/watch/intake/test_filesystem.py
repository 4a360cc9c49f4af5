"""On which file system a folder lies."""

from pathlib import Path

import pytest
from bonefx_edge.watch.intake.filesystem import MOUNT_TABLE, Mount, mount_of, needs_polling

ROOT = rb"27 1 254:0 / / rw,relatime - ext4 /dev/root rw"


def table(folder: Path, *lines: bytes) -> Path:
    """Write a mount table, each line one mount."""
    path = folder / "mountinfo"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def line(point: bytes, kind: bytes, *, optional: bytes = b"", ids: str = "36 27") -> bytes:
    """Return a line; `ids` are its own and that of the mount it is mounted on."""
    before = ids.encode() + b" 98:0 /sub " + point + b" rw,noatime "
    return before + optional + b"- " + kind + b" /dev/x rw"


def test_a_folder_lies_on_the_root_where_nothing_else_is_mounted(tmp_path) -> None:
    text = table(tmp_path, ROOT, line(b"/srv/share", b"nfs4"))
    assert mount_of(b"/home/inbox", table=text) == Mount(b"/", "ext4")
    assert mount_of(b"/", table=text) == Mount(b"/", "ext4")


def test_the_mount_point_itself_and_all_below_lie_on_the_mount(tmp_path) -> None:
    text = table(tmp_path, ROOT, line(b"/srv/share", b"nfs4"))
    for folder in (b"/srv/share", b"/srv/share/inbox", b"/srv/share/a/b"):
        assert mount_of(folder, table=text) == Mount(b"/srv/share", "nfs4")


def test_a_name_that_only_begins_like_a_mount_point_is_not_on_it(tmp_path) -> None:
    text = table(tmp_path, ROOT, line(b"/srv/share", b"nfs4"))
    for folder in (b"/srv/share2", b"/srv/share.old/inbox", b"/srv"):
        assert mount_of(folder, table=text) == Mount(b"/", "ext4")


def test_of_nested_mounts_the_inner_one_counts_whichever_comes_first(tmp_path) -> None:
    lines = [
        ROOT,
        line(b"/srv", b"cifs"),
        line(b"/srv/disk", b"ext4", ids="37 36"),
        line(b"/srv/disk/x", b"9p", ids="38 37"),
    ]
    for ordered in (lines, lines[::-1]):
        text = table(tmp_path, *ordered)
        found = [
            mount_of(folder, table=text)
            for folder in (b"/srv/inbox", b"/srv/disk/inbox", b"/srv/disk/x/inbox")
        ]
        assert found == [
            *(Mount(b"/srv", "cifs"), Mount(b"/srv/disk", "ext4"), Mount(b"/srv/disk/x", "9p"))
        ]


def test_of_mounts_over_one_another_the_last_counts(tmp_path) -> None:
    text = table(
        tmp_path,
        line(b"/", b"rootfs", ids="1 1"),
        ROOT,
        line(b"/srv/share", b"autofs"),
        line(b"/srv/share", b"cifs", ids="37 36"),
    )
    assert mount_of(b"/srv/share/inbox", table=text) == Mount(b"/srv/share", "cifs")
    assert mount_of(b"/home", table=text) == Mount(b"/", "ext4")


def test_a_mount_over_a_folder_hides_the_mounts_below_it(tmp_path) -> None:
    inner = line(b"/srv/in", b"ext4", ids="63 27")
    outer = line(b"/srv", b"cifs", ids="64 27")
    text = table(tmp_path, ROOT, inner, outer)
    assert mount_of(b"/srv/in", table=text) == Mount(b"/srv", "cifs")


@pytest.mark.parametrize(
    ("written", "point"),
    [
        (rb"/mnt/x\040y", b"/mnt/x y"),
        (rb"/mnt/x\011y", b"/mnt/x\ty"),
        (rb"/mnt/x\012y", b"/mnt/x\ny"),
        (rb"/mnt/x\134y", b"/mnt/x\\y"),
        (rb"/mnt/x\134040y", rb"/mnt/x\040y"),  # a name that looks like an escape
        (rb"/mnt/x\040-\040nfs", b"/mnt/x - nfs"),  # a name that looks like the separator
        (rb"/mnt/\040\040", b"/mnt/  "),
        (b"/mnt/x-", b"/mnt/x-"),
        (b"/mnt/x\ry", b"/mnt/x\ry"),
        (b"/mnt/R\xf6ntgen", b"/mnt/R\xf6ntgen"),
        ("/mnt/Röntgen".encode(), "/mnt/Röntgen".encode()),
    ],
)
def test_the_names_in_the_table_are_read_as_they_are(tmp_path, written, point) -> None:
    text = table(tmp_path, ROOT, line(written, b"fuse.sshfs"))
    assert mount_of(point + b"/inbox", table=text) == Mount(point, "fuse.sshfs")


@pytest.mark.parametrize(
    "optional", [b"", b"shared:1 ", b"shared:1 master:2 ", b"shared:1 master:2 propagate_from:3 "]
)
def test_the_kind_is_found_behind_any_number_of_optional_fields(tmp_path, optional) -> None:
    text = table(tmp_path, ROOT, line(b"/srv", b"cifs", optional=optional))
    assert mount_of(b"/srv", table=text) == Mount(b"/srv", "cifs")


def test_no_mount_is_found_in_a_table_that_lists_none_or_is_garbled(tmp_path) -> None:
    assert mount_of(b"/srv", table=table(tmp_path)) is None
    assert mount_of(b"/srv", table=table(tmp_path, b"", b"a - b", b"36 27 98:0 / /srv rw")) is None


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "fuse.sshfs", "fuse.rclone"]
)
def test_what_other_machines_or_programs_write_to_is_silent(tmp_path, kind) -> None:
    text = table(tmp_path, ROOT, line(b"/srv", kind.encode()))
    mount = mount_of(b"/srv/inbox", table=text)
    assert mount == Mount(b"/srv", kind)
    assert mount.needs_polling
    assert Mount(b"/srv", "fuse").needs_polling


@pytest.mark.parametrize(
    "kind",
    [
        *("ext4", "xfs", "btrfs", "f2fs", "vfat", "exfat", "ntfs3", "tmpfs", "overlay"),
        "fuseblk",  # a local disk, written to through this kernel only
        "fusectl",
    ],
)
def test_a_local_disk_is_not_silent(kind) -> None:
    assert not Mount(b"/srv", kind).needs_polling


def test_the_kernel_s_own_table_is_read() -> None:
    found = mount_of(b"/proc/self", table=MOUNT_TABLE)
    assert found == Mount(b"/proc", "proc")


def test_every_folder_of_this_machine_lies_on_a_mount(tmp_path) -> None:
    mount = mount_of(bytes(tmp_path.resolve()))
    assert mount is not None
    assert bytes(tmp_path.resolve()).startswith(mount.point)
    assert needs_polling(tmp_path) == mount.needs_polling


def test_a_folder_that_is_not_there_yet_has_the_answer_of_where_it_will_be(tmp_path) -> None:
    assert needs_polling(tmp_path / "not" / "yet") == needs_polling(tmp_path)
    assert not needs_polling(Path("/proc/not-there"))
