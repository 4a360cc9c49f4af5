# For the scripts beside it, by `source`.

die() { echo "error: $*" >&2; exit 1; }

# Be root, have the tools, and let the kernel run arm64 programs as long as the caller's mounts stay.
enable_emulation() {
  [[ $(uname -m) == x86_64 ]] || die "expected an x86_64 machine, this is $(uname -m); on arm64 run make test"
  [[ $EUID -eq 0 ]] || die "expected to be root (debootstrap, chroot and mounts need it); run with sudo"
  local tool
  for tool in debootstrap update-binfmts qemu-aarch64-static unshare chroot; do
    command -v "$tool" >/dev/null ||
      die "expected $tool; run: apt-get install qemu-user-static debootstrap binfmt-support"
  done
  local formats=/proc/sys/fs/binfmt_misc
  [[ -e $formats/register ]] || mount -t binfmt_misc binfmt_misc "$formats"
  # It fails where another run of these scripts was quicker by a moment.
  [[ -e $formats/qemu-aarch64 ]] || update-binfmts --enable qemu-aarch64 || true
  [[ -e $formats/qemu-aarch64 ]] || die "expected the kernel to take qemu-aarch64 as a format, it did not"
  # With F the kernel holds the emulator open: it need not be copied into the root.
  grep -q '^flags:.*F' "$formats/qemu-aarch64" ||
    die "expected the flag F on qemu-aarch64; update qemu-user-static"
}

# describe_processor NAME CORES: print /proc/cpuinfo as a Raspberry Pi with that processor shows it.
describe_processor() {
  local features variant part revision
  case $1 in
    cortex-a72) # Raspberry Pi 4
      features="fp asimd evtstrm crc32 cpuid" variant=0x0 part=0xd08 revision=3
      ;;
    cortex-a76) # Raspberry Pi 5: dot products of int8 in one instruction
      features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
      variant=0x4 part=0xd0b revision=1
      ;;
    *) die "expected the processor cortex-a72, cortex-a76 or unknown, got $1" ;;
  esac
  local core
  for ((core = 0; core < $2; core++)); do
    printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: %s\n' "$core" "$features"
    printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: %s\nCPU part\t: %s\n' "$variant" "$part"
    printf 'CPU revision\t: %s\n\n' "$revision"
  done
}
