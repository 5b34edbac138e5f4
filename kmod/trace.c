// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/* The tracepoints themselves: see trace.h. */

#define CREATE_TRACE_POINTS
#include "trace.h"
