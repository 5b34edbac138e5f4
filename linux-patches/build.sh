#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# Builds a Linux 6.12 with the series of this folder; --help says how. The work is
# done by lib/, in Python.
set -eu
exec python3 -B "$(dirname "$0")/lib/main.py" "$@"
