#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""build.sh, from its command line, on a kernel of four files that builds at once."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / "build.sh"

# Its Kconfig knows every option but CONFIG_GONE; each call of make leaves a line in
# the log that MAKE_LOG names, and `bzImage` fails while the file BROKEN exists.
MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 7
$(shell echo "$(MAKECMDGOALS)" >>"$(MAKE_LOG)")
tinyconfig:
\t@printf '# CONFIG_64BIT is not set\\nCONFIG_ON=y\\n' >$(O)/.config
olddefconfig:
\t@sed -i /GONE/d $(O)/.config
localmodconfig:
\t@sed -i /UNUSED/d $(O)/.config; sed 's/^/# /' $(LSMOD) >>$(O)/.config
bzImage:
\t@sleep $${SLOW:-0}
\t@test ! -e "$$BROKEN" || { echo "  CC      core.o"; echo "core.c: no"; exit 1; }
\t@mkdir -p $(O)/arch/x86/boot
\t@cp kernel/core.c $(O)/arch/x86/boot/bzImage
\t@echo "include $(CURDIR)/Makefile" >$(O)/Makefile
\t@echo "  CC      core.o"
modules headers:
"""
DRIVERS_MAKEFILE = "obj-y += base/\n"
DRIVERS_KCONFIG = 'menu "Device Drivers"\nsource "drivers/base/Kconfig"\nendmenu\n'
CORE = "".join(f"line {number}\n" for number in range(1, 41))


def diff(at, old="line {}", new="changed {}", first=None):
    """A patch of one line of CORE, with its context; `first` claims another
    place."""
    lines = CORE.splitlines()
    before, after = lines[at - 4:at - 1], lines[at:at + 3]
    where = (first or at) - 3
    body = [f" {line}" for line in before]
    body += ["-" + old.format(at), "+" + new.format(at)]
    body += [f" {line}" for line in after]
    return (f"--- a/kernel/core.c\n+++ b/kernel/core.c\n"
            f"@@ -{where},7 +{where},7 @@\n" + "\n".join(body) + "\n")


class BuildTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.cache = self.folder / "cache"
        self.series = self.folder / "series"
        self.series.mkdir()
        self.make_log = self.folder / "make.log"
        self.broken = self.folder / "broken"
        tree = self.folder / "linux-6.12.7"
        (tree / "kernel").mkdir(parents=True)
        (tree / "Makefile").write_text(MAKEFILE)
        (tree / "kernel" / "core.c").write_text(CORE)
        (tree / "drivers").mkdir()
        (tree / "drivers" / "Makefile").write_text(DRIVERS_MAKEFILE)
        (tree / "drivers" / "Kconfig").write_text(DRIVERS_KCONFIG)
        self.archive = self.folder / "linux.tar"
        subprocess.run(["tar", "-cf", self.archive, "-C", self.folder, tree.name],
                       check=True)
        shutil.rmtree(tree)

    def write_series(self, **patches):
        for name, text in patches.items():
            (self.series / f"{name}.patch").write_text(text)
        (self.series / "series").write_text(
            "# in order\n" + "".join(f"{name}.patch\n" for name in patches))

    def words(self, *arguments):
        return [BUILD, "--cache", self.cache, "--source", self.archive,
                "--series", self.series, *arguments]

    def environment(self, **more):
        return {**os.environ, "MAKE_LOG": str(self.make_log),
                "BROKEN": str(self.broken), **more}

    def build(self, *arguments, fails=False):
        """What the command says; it must succeed, or fail."""
        done = subprocess.run(self.words(*arguments), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=self.environment())
        self.assertEqual(done.returncode, int(fails), done.stdout)
        return done.stdout

    def image(self, *arguments):
        build = pathlib.Path(self.build("--where", *arguments).strip())
        return (build / "arch" / "x86" / "boot" / "bzImage").read_text()

    def times_built(self):
        return self.make_log.read_text().count("bzImage")

    def trees(self):
        folder = self.cache / "trees"
        return sorted(folder.iterdir()) if folder.exists() else []

    def machine(self):
        """The folder of another machine, with a running kernel and two modules."""
        folder = self.folder / "machine"
        for name, content in (
                ("boot/config-6.1.0-9-amd64", b"CONFIG_ON=y\nCONFIG_UNUSED=m\n"
                 b'CONFIG_SYSTEM_TRUSTED_KEYS="debian/certs"\n'),
                ("boot/grub/grub.cfg", b""),
                ("proc/modules", b"ext4 1 2 - Live 0x0\nnvme 3 4 - Live 0x0\n"),
                ("sys/firmware/efi/efivars/SecureBoot-"
                 "8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\6\0\0\0\1"),
                ("sys/kernel/security/lockdown", b"none [integrity] conf\n"),
                ("sys/kernel/btf/vmlinux", b""),
                ("sys/kernel/livepatch/fix_1/enabled", b"1"),
                ("var/lib/dkms/zfs/kernel", b"")):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return folder

    def test_patches_apply_in_order_and_the_build_is_found(self):
        self.write_series(a=diff(10), b=diff(10, "changed {}", "again {}"))
        self.assertIn("2 patches apply, 0 hunks at another line, 0 with fuzz",
                      self.build())
        self.assertIn("again 10\n", self.image())

    def test_the_first_patches_alone_are_another_tree(self):
        self.write_series(a=diff(10), b=diff(20))
        self.build("--patches", "1")
        self.assertIn("changed 10\n", self.image("--patches", "1"))
        self.assertIn("line 20\n", self.image("--patches", "1"))
        self.build("--where", fails=True)

    def test_the_configuration_of_a_machine_is_made_smaller(self):
        machine = self.machine()
        self.build("--config", "running", "--machine", machine, "--configure")
        config = next(self.cache.glob("building/*/source/build/.config")).read_text()
        self.assertEqual(config, "CONFIG_ON=y\n"
                         'CONFIG_SYSTEM_TRUSTED_KEYS=""\n'
                         'CONFIG_LOCALVERSION="-lauberhorn"\n'
                         "CONFIG_DEBUG_INFO_NONE=y\n")
        self.assertFalse(self.trees())
        self.build("--config", "full", "--machine", machine)
        config = self.trees()[0] / "source" / "build" / ".config"
        self.assertIn("CONFIG_UNUSED=m\n", config.read_text())

    def test_a_tree_belongs_to_the_machine_it_was_made_for(self):
        machine = self.machine()
        names = set()
        for modules in ("ext4 1 2\n", "ext4 1 2\nnvme 3 4\n"):
            (machine / "proc" / "modules").write_text(modules)
            names.add(re.search(r"running-\w+", self.build(
                "--config", "running", "--machine", machine, "--dry-run")).group())
        self.assertEqual(len(names), 2)

    def test_a_dry_run_tells_what_breaks_on_a_machine_and_the_way_back(self):
        said = self.build("--config", "running", "--machine", self.machine(),
                          "--dry-run")
        for fact in ("running kernel: 6.1.0-9-amd64", "Secure Boot:    ON",
                     "lockdown:       integrity", "DKMS modules:   zfs",
                     "live patches:   fix_1", "--btf", "choose 6.1.0-9-amd64",
                     "apt-get remove linux-image-"):
            self.assertIn(fact, said)

    def test_a_kernel_for_another_machine_is_not_installed_here(self):
        self.assertIn("for another machine", self.build(
            "--config", "running", "--machine", self.machine(), "--install",
            fails=True))

    def test_an_empty_series_is_one(self):
        self.build()
        self.assertEqual(self.image(), CORE)

    def test_the_unpacked_source_stays_as_it_was(self):
        self.write_series(a=diff(10))
        self.build()
        pristine, = (self.cache / "sources").iterdir()
        self.assertEqual((pristine / "kernel" / "core.c").read_text(), CORE)

    def test_the_module_in_the_tree_is_another_tree(self):
        self.build()
        self.build("--in-tree")
        where = self.build("--in-tree", "--where").strip()
        self.assertNotEqual(where, self.build("--where").strip())
        drivers = pathlib.Path(where).parent / "drivers"
        self.assertEqual((drivers / "Makefile").read_text(), DRIVERS_MAKEFILE
                         + "obj-$(CONFIG_LAUBERHORN) += lauberhorn/\n")
        self.assertEqual(
            (drivers / "Kconfig").read_text(), DRIVERS_KCONFIG.replace(
                "\nendmenu", '\nsource "drivers/lauberhorn/Kconfig"\n\nendmenu'))
        module = drivers / "lauberhorn"
        self.assertIn("obj-$(CONFIG_LAUBERHORN) += lauberhorn.o\n",
                      (module / "Kbuild").read_text())
        self.assertIn("config LAUBERHORN\n", (module / "Kconfig").read_text())
        for name in ("main.c", "lauberhorn.h", "abi/host/device.h"):
            self.assertTrue((module / name).is_file(), name)
        self.assertIn("CONFIG_LAUBERHORN=m\n",
                      (pathlib.Path(where) / ".config").read_text())
        pristine, = (self.cache / "sources").iterdir()
        self.assertEqual((pristine / "drivers" / "Makefile").read_text(),
                         DRIVERS_MAKEFILE)

    def test_a_second_run_builds_nothing(self):
        self.build()
        self.assertIn("up to date", self.build())
        self.assertEqual(self.times_built(), 1)

    def test_a_tree_belongs_to_its_patches_and_settings(self):
        self.write_series(a=diff(10))
        self.build()
        self.write_series(a=diff(11))
        self.assertIn("not built", self.build("--where", fails=True))
        self.build()
        self.build("--set", "EXTRA=y")
        self.build("--config", "performance")
        self.assertEqual(len(self.trees()), 4)
        self.write_series(a=diff(10))
        self.build()
        self.assertEqual(self.times_built(), 4)

    def test_an_offset_is_told(self):
        self.write_series(a=diff(20, first=15))
        self.assertIn("a.patch: kernel/core.c: hunk 1: offset 5, fuzz 0",
                      self.build())
        self.assertIn("changed 20\n", self.image())

    def test_fuzz_is_told_and_refused(self):
        # The first line of the context is another one.
        self.write_series(a=diff(10), b=diff(20).replace("line 17", "line 0"))
        said = self.build(fails=True)
        self.assertIn("b.patch: kernel/core.c: hunk 1: offset 0, fuzz 1", said)
        self.assertEqual(self.trees(), [])
        self.assertIn("1 with fuzz", self.build("--allow-fuzz"))
        self.assertIn("changed 20\n", self.trees()[0].joinpath(
            "source", "kernel", "core.c").read_text())

    def test_a_reject_names_hunk_and_file(self):
        second = diff(30, "nothing like {}").partition("@@")
        self.write_series(a=diff(10) + "@@" + second[2])
        said = self.build(fails=True)
        self.assertIn("a.patch: kernel/core.c: hunk 2: rejected", said)
        self.assertNotIn("hunk 1", said)
        self.assertEqual(self.trees(), [])

    def test_a_patch_that_is_in_already_is_no_success(self):
        self.write_series(a=diff(10), b=diff(10))
        self.assertIn("b.patch: kernel/core.c: hunk", self.build(fails=True))

    def test_a_repaired_series_builds_after_a_reject(self):
        self.write_series(a=diff(10), b=diff(10))
        self.build(fails=True)
        self.write_series(a=diff(10))
        self.build()
        self.assertIn("changed 10\n", self.image())

    def test_a_line_without_effect_is_an_error(self):
        self.assertIn("CONFIG_GONE=y: is # CONFIG_GONE is not set",
                      self.build("--set", "GONE=y", fails=True))

    def test_a_failed_build_shows_why_and_goes_on(self):
        self.broken.write_text("")
        self.assertIn("core.c: no", self.build(fails=True))
        self.assertEqual(self.trees(), [])
        self.broken.unlink()
        self.archive.write_bytes(b"")
        os.utime(self.archive, ns=(0, 0))
        self.assertIn("could not be unpacked", self.build(fails=True))

    def test_an_interrupted_build_is_not_patched_twice(self):
        self.write_series(a=diff(10))
        self.broken.write_text("")
        self.build(fails=True)
        self.broken.unlink()
        self.assertIn("going on", self.build())
        self.assertIn("changed 10\n", self.image())

    def test_two_at_once_build_once(self):
        both = [subprocess.Popen(
            self.words(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=self.environment(SLOW="0.5"))
            for _ in range(2)]
        said = "".join(process.communicate()[0] for process in both)
        self.assertEqual([process.returncode for process in both], [0, 0], said)
        self.assertEqual(self.times_built(), 1)
        self.assertIn("up to date", said)

    def test_a_dry_run_tells_and_leaves_nothing(self):
        self.write_series(a=diff(20, first=15))
        said = self.build("--dry-run")
        self.assertIn("hunk 1: offset 5", said)
        for fact in ("series:", "compiler:", "disk:", "time:", "tree:"):
            self.assertIn(fact, said)
        self.write_series(a=diff(20, "nothing like {}"))
        self.assertIn("hunk 1: rejected", self.build("--dry-run", fails=True))
        self.assertFalse(self.cache.exists())
        self.assertFalse(self.make_log.exists())

    def test_another_version_is_warned_of(self):
        self.assertIn("warning: this source is 6.12.7", self.build())

    def test_a_guest_is_not_installed(self):
        self.assertIn("starts in QEMU only", self.build("--install", fails=True))

    def test_a_published_build_names_no_folder_of_before(self):
        self.build()
        build = self.trees()[0] / "source" / "build"
        self.assertEqual((build / "Makefile").read_text(), "include ../Makefile\n")

    def test_prune_keeps_the_tree_of_the_command(self):
        self.build("--set", "EXTRA=y")
        self.build("--prune")
        self.assertEqual(len(self.trees()), 1)
        self.assertEqual(self.image(), CORE)

    def test_no_source_is_said_so(self):
        self.archive.unlink()
        self.assertIn("no archive", self.build(fails=True))


class FragmentTest(unittest.TestCase):

    def test_options_of_later_patches_are_left_out_and_named(self):
        sys.path.insert(0, str(HERE))
        import config
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / config.SERIES_FOLDER / "all.config"
            file.parent.mkdir()
            file.write_text("CONFIG_LAUBERHORN_A=y\n# CONFIG_LAUBERHORN_B is not "
                            "set\nCONFIG_OTHER=m\n")
            self.assertEqual(
                config.wanted([file], {"CONFIG_C": "7"}, {"CONFIG_LAUBERHORN_A"}),
                ({"CONFIG_LAUBERHORN_A": "y", "CONFIG_OTHER": "m",
                  "CONFIG_C": "7"}, ["CONFIG_LAUBERHORN_B"]))

    def test_the_options_of_the_series_are_read_from_its_kconfig(self):
        sys.path.insert(0, str(HERE))
        import config
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            self.assertEqual(config.defined_symbols(tree), set())
            (tree / "kernel").mkdir()
            (tree / config.SERIES_KCONFIG).write_text(textwrap.dedent("""\
                menuconfig LAUBERHORN
                config LAUBERHORN_SCHED
                \tbool "x"
                # config COMMENT
                """))
            self.assertEqual(config.defined_symbols(tree),
                             {"CONFIG_LAUBERHORN", "CONFIG_LAUBERHORN_SCHED"})


if __name__ == "__main__":
    unittest.main(verbosity=0)
