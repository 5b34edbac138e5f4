// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc/support/port_platform.h
//
// What compilers call differently. Included by all headers below grpc/; no
// program needs it for itself.
//
// The names below grpc/ are those of gRPC's C library, but this is C++: they
// live in an inline namespace, so that a process can also link gRPC's own
// library, whose names of C they would clash with.
//
// Thread-safety, blocking, ownership: nothing of the kind.
#ifndef GRPC_SUPPORT_PORT_PLATFORM_H_
#define GRPC_SUPPORT_PORT_PLATFORM_H_

#ifndef __cplusplus
#error "these headers of gRPC's C library are for C++ only"
#endif

#define GPR_LIKELY(x) __builtin_expect((x), 1)
#define GPR_UNLIKELY(x) __builtin_expect((x), 0)

// Checks the arguments of a function like printf: the numbers, from 1, of its
// format and of the first argument after it.
#define GPR_PRINT_FORMAT_CHECK(text, arguments) \
  __attribute__((format(printf, text, arguments)))

#endif  // GRPC_SUPPORT_PORT_PLATFORM_H_
