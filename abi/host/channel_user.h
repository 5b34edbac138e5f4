/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * channel_user.h - the channel's operations over the user-space macros
 *
 * The one header to include in user space; channel.h alone leaves the five
 * macros to its includer.
 */
#ifndef LH_HOST_CHANNEL_USER_H
#define LH_HOST_CHANNEL_USER_H

/* clang-format off: the macros come first. */
#include "atomic_user.h"
#include "channel.h"
/* clang-format on */

#endif /* LH_HOST_CHANNEL_USER_H */
