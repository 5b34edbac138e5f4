// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/testing/allocations.h"

#include <cstdlib>
#include <new>

namespace {
thread_local long allocations = 0;
}

// Not inlined, or GCC takes free() for a mismatch to a new that it knows.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}

namespace lauberhorn::testing {

long Allocations() { return allocations; }

}  // namespace lauberhorn::testing
