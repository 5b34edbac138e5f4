// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/allocation_counter.h"

#include <cerrno>
#include <cstddef>

#include <atomic>

// glibc's own allocator, by the names that it gives to those who replace the
// usual ones.
extern "C" {
void* __libc_malloc(std::size_t size);                       // NOLINT
void* __libc_calloc(std::size_t count, std::size_t size);    // NOLINT
void* __libc_realloc(void* memory, std::size_t size);        // NOLINT
void* __libc_memalign(std::size_t align, std::size_t size);  // NOLINT
}

namespace {

// A constant at start: malloc is called before constructors run.
constinit std::atomic<std::uint64_t> allocations{0};
constinit std::atomic<std::atomic<std::uint64_t>*> counter{&allocations};

void Count() {
  if (std::atomic<std::uint64_t>* const to =
          counter.load(std::memory_order_relaxed)) {
    to->fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) noexcept {
  Count();
  return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) noexcept {
  Count();
  return __libc_calloc(count, size);
}

void* realloc(void* memory, std::size_t size) noexcept {
  Count();
  return __libc_realloc(memory, size);
}

void* aligned_alloc(std::size_t align, std::size_t size) noexcept {
  Count();
  return __libc_memalign(align, size);
}

int posix_memalign(void** memory, std::size_t align,
                   std::size_t size) noexcept {
  Count();
  *memory = __libc_memalign(align, size);
  return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"

namespace lauberhorn::bench {

std::uint64_t Allocations() {
  return allocations.load(std::memory_order_relaxed);
}

void CountAllocationsIn(std::atomic<std::uint64_t>* to) {
  counter.store(to, std::memory_order_relaxed);
}

}  // namespace lauberhorn::bench
