// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory and strings of gRPC's C library; see grpc/support/alloc.h.
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

inline namespace lh_v1 {
namespace {

void* OrEnd(void* memory) {
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* gpr_malloc(std::size_t size) {
  return size == 0 ? nullptr : OrEnd(std::malloc(size));
}

void* gpr_zalloc(std::size_t size) {
  return size == 0 ? nullptr : OrEnd(std::calloc(1, size));
}

void* gpr_realloc(void* memory, std::size_t size) {
  if (size != 0) return OrEnd(std::realloc(memory, size));
  std::free(memory);
  return nullptr;
}

void gpr_free(void* memory) { std::free(memory); }

void* gpr_malloc_aligned(std::size_t size, std::size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) != 0) {
    std::abort();
  }
  return memory;
}

void gpr_free_aligned(void* memory) { std::free(memory); }

char* gpr_strdup(const char* text) {
  if (text == nullptr) return nullptr;
  return static_cast<char*>(OrEnd(strdup(text)));
}

int gpr_asprintf(char** text, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int size = vasprintf(text, format, arguments);
  va_end(arguments);
  if (size < 0) *text = nullptr;
  return size;
}

}  // namespace lh_v1
