#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The configuration of a machine with Debian's own kernel, as far as to the first
object that would be compiled, with the real source.

The machine is a server with the modules below; its configuration comes with
Debian's source.
"""

import lzma
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import config  # noqa: E402: needs the path

DEBIAN_CONFIG = pathlib.Path("/usr/src/linux-config-6.12/config.amd64_none_amd64.xz")
MODULES = ("ext4", "nvme", "virtio_net", "kvm_amd", "kvm", "overlay", "tun")


class MachineTest(unittest.TestCase):

    def test_a_distribution_s_configuration_becomes_small(self):
        before = lzma.decompress(DEBIAN_CONFIG.read_bytes()).decode()
        with tempfile.TemporaryDirectory() as folder:
            machine = pathlib.Path(folder)
            for name, text in (("boot/config-6.12-amd64", before),
                               ("proc/modules", "".join(
                                   f"{name} 0 0\n" for name in MODULES))):
                (machine / name).parent.mkdir()
                (machine / name).write_text(text)
            done = subprocess.run(
                [HERE.parent / "build.sh", "--config", "running", "--machine",
                 machine, "--configure"], text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)
        file = pathlib.Path(re.search(r"^configuration: (.*)$", done.stdout,
                                      re.M).group(1))
        self.addCleanup(shutil.rmtree, file.parents[2])
        values = config.parse(file.read_text())

        def modules(of):
            return [name for name, value in of.items() if value == "m"]

        self.assertGreater(len(modules(config.parse(before))), 3000)
        self.assertLess(len(modules(values)), 200)
        for symbol in ("EXT4_FS", "BLK_DEV_NVME", "VIRTIO_NET", "KVM_AMD"):
            self.assertIn(values[f"CONFIG_{symbol}"], ("y", "m"), symbol)
        self.assertEqual(values["CONFIG_LAUBERHORN_SCHED"], "y")
        self.assertEqual(values["CONFIG_LOCALVERSION"], '"-lauberhorn"')
        self.assertEqual(values["CONFIG_SYSTEM_TRUSTED_KEYS"], '""')
        self.assertNotIn("CONFIG_DEBUG_INFO_BTF", values)


if __name__ == "__main__":
    unittest.main(verbosity=0)
