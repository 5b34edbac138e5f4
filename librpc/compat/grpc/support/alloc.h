// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc/support/alloc.h
//
// Memory as gRPC's C library hands it out: that of malloc(), and the program
// ends where there is none.
//
//   void* memory = gpr_malloc(100);
//   gpr_free(memory);
//
// Thread-safety: as malloc(). Blocking: never. Ownership: the caller's.
#ifndef GRPC_SUPPORT_ALLOC_H_
#define GRPC_SUPPORT_ALLOC_H_

#include <cstddef>

#include "grpc/support/port_platform.h"

inline namespace lh_v1 {

// Null for 0 bytes. gpr_zalloc() fills with zeros.
void* gpr_malloc(std::size_t size);
void* gpr_zalloc(std::size_t size);
void* gpr_realloc(void* memory, std::size_t size);
void gpr_free(void* memory);

// `alignment` is a power of two. Only gpr_free_aligned() takes it back.
void* gpr_malloc_aligned(std::size_t size, std::size_t alignment);
void gpr_free_aligned(void* memory);

}  // namespace lh_v1

#endif  // GRPC_SUPPORT_ALLOC_H_
