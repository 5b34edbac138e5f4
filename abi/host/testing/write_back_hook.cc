/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
#include "write_back_hook.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace {

std::atomic<const lh_write_back_hook*> g_hooks[16];

}  // namespace

void lh_add_write_back_hook(const lh_write_back_hook* hook) {
  for (auto& place : g_hooks) {
    const lh_write_back_hook* none = nullptr;
    if (place.compare_exchange_strong(none, hook)) return;
  }
  fputs("too many devices with a hook for write-backs\n", stderr);
  abort();
}

void lh_remove_write_back_hook(const lh_write_back_hook* hook) {
  for (auto& place : g_hooks) {
    if (place.load() == hook) place.store(nullptr);
  }
}

void lh_hooked_write_back(const void* line) {
  for (auto& place : g_hooks) {
    const lh_write_back_hook* const hook = place.load();
    if (hook != nullptr && line >= hook->begin && line < hook->end) {
      hook->written_back(hook->context, line);
    }
  }
}
