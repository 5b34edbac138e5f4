# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors
"""The module of kmod/ as a part of the kernel: drivers/lauberhorn in a patched tree.

It is no patch of the series: what is built is what the checkout has, and belongs to
the tree's key.
"""

import pathlib
import subprocess

from console import Failure

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = "drivers/lauberhorn"
OPTION = "CONFIG_LAUBERHORN"
SOURCES = ("kmod/*.[ch]", "kmod/Kbuild", "abi/host/*.h")

KCONFIG = """\
# SPDX-License-Identifier: GPL-2.0

config LAUBERHORN
	tristate "Network interfaces that dispatch RPCs"
	depends on 64BIT
	help
	  The memory that processes and such an interface share, and who is woken
	  by it; with a device in software, whose interface is a program. Its
	  module is called lauberhorn.

	  If unsure, say N.
"""


def texts():
    """What the module is made from."""
    return [FOLDER, KCONFIG] + [file.read_text() for pattern in SOURCES
                                for file in sorted(ROOT.glob(pattern))]


def edit(file, change):
    """Writes a file anew: the old one may be another tree's as well."""
    text = file.read_text()
    file.unlink()
    file.write_text(change(text))


def stage(tree):
    """Puts the module into a tree, where its files still are those of the source."""
    folder = tree / FOLDER
    if subprocess.run(["make", "-s", "-C", ROOT / "kmod", "source",
                       f"DESTINATION={folder}"], stdout=subprocess.DEVNULL
                      ).returncode:
        raise Failure("the module's sources could not be copied, as above")
    (folder / "dkms.conf").unlink()
    (folder / "Kconfig").write_text(KCONFIG)
    edit(folder / "Kbuild",
         lambda text: text.replace("obj-m :=", f"obj-$({OPTION}) +="))
    edit(tree / "drivers" / "Makefile",
         lambda text: text + f"obj-$({OPTION}) += lauberhorn/\n")
    edit(tree / "drivers" / "Kconfig", lambda text: text.replace(
        "\nendmenu", f'\nsource "{FOLDER}/Kconfig"\n\nendmenu'))
