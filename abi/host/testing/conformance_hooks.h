/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * conformance_hooks.h - what the build with LAUBERHORN_CONFORMANCE includes
 * before everything else
 */
#ifndef LH_HOST_TESTING_CONFORMANCE_HOOKS_H
#define LH_HOST_TESTING_CONFORMANCE_HOOKS_H

#include "edge_log.h"
#include "write_back_hook.h"

#endif /* LH_HOST_TESTING_CONFORMANCE_HOOKS_H */
