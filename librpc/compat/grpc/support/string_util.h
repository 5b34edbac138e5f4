// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc/support/string_util.h
//
// Strings of C as gRPC's C library makes them; gpr_free() frees them.
//
//   char* text;
//   gpr_asprintf(&text, "%s:%d", host, port);
//
// Thread-safety: as malloc(). Blocking: never. Ownership: the caller's.
#ifndef GRPC_SUPPORT_STRING_UTIL_H_
#define GRPC_SUPPORT_STRING_UTIL_H_

#include "grpc/support/port_platform.h"

inline namespace lh_v1 {

// A copy; null of null.
char* gpr_strdup(const char* text);

// Prints to `*text` and returns how many bytes that has, without the zero byte
// at its end. If it fails: -1, and `*text` is null.
int gpr_asprintf(char** text, const char* format, ...)
    GPR_PRINT_FORMAT_CHECK(2, 3);

}  // namespace lh_v1

#endif  // GRPC_SUPPORT_STRING_UTIL_H_
