#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# SPDX-FileCopyrightText: The Lauberhorn authors

# Checks the series and the module as text; --help says what. The work is done by lib/check.py.
set -eu
exec python3 -B "$(dirname "$0")/lib/check.py" "$@"
