/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * write_back_hook.h - lines that are written back, seen by a device in software
 *
 * Such a device cannot know what is in the processor's cache. In the build with
 * LAUBERHORN_CONFORMANCE a write-back calls a function instead of flushing.
 *
 * Thread-safety: the function is set before the first write-back of its
 * device's lines, and taken away after the last one; it is called from any
 * thread.
 */
#ifndef LH_HOST_TESTING_WRITE_BACK_HOOK_H
#define LH_HOST_TESTING_WRITE_BACK_HOOK_H

#ifdef __cplusplus
extern "C" {
#endif

/* A hook for the lines from @begin to @end; at most 16 at a time. */
struct lh_write_back_hook {
  const void* begin;
  const void* end;
  void (*written_back)(void* context, const void* line);
  void* context;
};

void lh_add_write_back_hook(const struct lh_write_back_hook* hook);
void lh_remove_write_back_hook(const struct lh_write_back_hook* hook);

void lh_hooked_write_back(const void* line);

#ifdef __cplusplus
}
#endif

#define lh_write_back(line) lh_hooked_write_back(line)

#endif /* LH_HOST_TESTING_WRITE_BACK_HOOK_H */
