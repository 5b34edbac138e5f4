# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""Facts of this machine that matter to who installs a kernel on it.

Everything here only reads, and says so where something cannot be read.
"""

import gzip
import os
import pathlib
import platform
import shutil
import subprocess

from console import Failure

EFI_SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


class Host:
    """This machine, or another one of which `root` has files at their places."""

    def __init__(self, root=None):
        self.root = pathlib.Path(root or "/")
        self.release = platform.release() if root is None else self.only_config()

    def only_config(self):
        """The release of the one kernel whose configuration is there."""
        files = sorted(self.root.glob("boot/config-*"))
        if len(files) != 1:
            raise Failure(f"{self.root} must have one boot/config-RELEASE, and has "
                          f"{len(files)}")
        return files[0].name.removeprefix("config-")

    def at(self, name):
        return self.root / name

    def running_config(self):
        """The text of the running kernel's configuration, or None."""
        file = self.at(f"boot/config-{self.release}")
        if file.exists():
            return file.read_text()
        packed = self.at("proc/config.gz")
        return gzip.decompress(packed.read_bytes()).decode() if (
            packed.exists()) else None

    def module_names(self):
        """The names of the modules that are loaded."""
        file = self.at("proc/modules")
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.split()[0] for line in lines]

    def loaded_modules(self):
        """The text that lsmod prints, which localmodconfig reads."""
        return "Module Size Used by\n" + "".join(
            f"{name} 0 0\n" for name in self.module_names())

    def secure_boot(self):
        """True or False; None on a machine that was not started by EFI."""
        if not self.at("sys/firmware/efi").exists():
            return None
        file = self.at(f"sys/firmware/efi/efivars/{EFI_SECURE_BOOT}")
        # Four bytes of attributes come before the value.
        return file.exists() and file.read_bytes()[4:5] == b"\1"

    def lockdown(self):
        """none, integrity or confidentiality."""
        file = self.at("sys/kernel/security/lockdown")
        text = file.read_text() if file.exists() else "[none]"
        return text.partition("[")[2].partition("]")[0]

    def folders(self, name):
        """The names of the folders in a folder, if it is there."""
        folder = self.at(name)
        return sorted(entry.name for entry in folder.iterdir()
                      if entry.is_dir()) if folder.exists() else []

    def dkms_modules(self):
        return self.folders("var/lib/dkms")

    def live_patches(self):
        return self.folders("sys/kernel/livepatch")

    def has_btf(self):
        return self.at("sys/kernel/btf/vmlinux").exists()

    def has_grub(self):
        return self.at("boot/grub/grub.cfg").exists()


def facts(host, btf):
    """(what, how it is) pairs: what this machine has that a kernel without the
    distribution's signature and patches may break."""
    secure = host.secure_boot()
    dkms, patches = host.dkms_modules(), host.live_patches()
    yield "running kernel", host.release
    yield "Secure Boot", {
        None: "no EFI here, so none",
        False: "off",
        True: "ON: the firmware refuses a kernel that is not signed; sign it with "
              "a key of yours (sbsign, mokutil --import), or switch it off"}[secure]
    yield "lockdown", host.lockdown() + (
        "" if host.lockdown() == "none" else
        ": modules without a signature of this kernel's build do not load")
    yield "DKMS modules", (
        f"{', '.join(dkms)}: each must build for the new kernel, for which its "
        "headers package is there" if dkms else "none")
    yield "live patches", (
        f"{', '.join(patches)}: made for the running kernel, gone in the new one"
        if patches else "none")
    yield "BTF", ("kept (--btf)" if btf else
                  "the running kernel has it, the new one not without --btf: tools "
                  "of BPF that need it say so" if host.has_btf() else
                  "none here, none in the new kernel")


def way_back(host, release):
    """What to do if the new kernel is not wanted any more."""
    menu = ("hold Shift or Esc at start, 'Advanced options', and choose "
            f"{host.release}" if host.has_grub() else
            f"choose {host.release} in the boot menu; no GRUB was found here, so "
            "look first how this machine chooses its kernel")
    return (f"the running kernel {host.release} stays installed",
            menu,
            f"then: apt-get remove linux-image-{release}")


def free_bytes(folder):
    """What is free where the folder is or will be."""
    folder = pathlib.Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def jobs():
    return len(os.sched_getaffinity(0))


def as_root(*words):
    """Runs a command as root; its exit code."""
    sudo = () if os.geteuid() == 0 else ("sudo",)
    return subprocess.run([*sudo, *words]).returncode
