// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc/support/log.h
//
// The log of gRPC's C library, on stderr, for programs that write to it. This
// library itself does not.
//
//   gpr_log(GPR_INFO, "listening at %s", address.c_str());
//   GPR_ASSERT(server != nullptr);
//
// As there, only errors are printed, unless the environment has
// GRPC_VERBOSITY=INFO or DEBUG, or NONE for not even these.
//
// Thread-safety: all functions from any thread. Blocking: as writing to stderr
// does. Allocation: by gpr_log(), for the text.
#ifndef GRPC_SUPPORT_LOG_H_
#define GRPC_SUPPORT_LOG_H_

#include <cstdarg>
#include <cstdlib>

#include "grpc/support/port_platform.h"

#define GPR_DEBUG __FILE__, __LINE__, GPR_LOG_SEVERITY_DEBUG
#define GPR_INFO __FILE__, __LINE__, GPR_LOG_SEVERITY_INFO
#define GPR_ERROR __FILE__, __LINE__, GPR_LOG_SEVERITY_ERROR

inline namespace lh_v1 {

enum gpr_log_severity {
  GPR_LOG_SEVERITY_DEBUG,
  GPR_LOG_SEVERITY_INFO,
  GPR_LOG_SEVERITY_ERROR
};

// "D", "I" or "E".
const char* gpr_log_severity_string(gpr_log_severity severity);

// Writes one line, if lines of this severity are printed.
void gpr_log(const char* file, int line, gpr_log_severity severity,
             const char* format, ...) GPR_PRINT_FORMAT_CHECK(4, 5);
void gpr_log_message(const char* file, int line, gpr_log_severity severity,
                     const char* message);

// Whether lines of this severity are printed: 1 or 0.
int gpr_should_log(gpr_log_severity severity);

void gpr_set_log_verbosity(gpr_log_severity min_severity_to_print);

// Nothing has to be set up.
inline void gpr_log_verbosity_init() {}

struct gpr_log_func_args {
  const char* file;
  int line;
  gpr_log_severity severity;
  const char* message;
};
using gpr_log_func = void (*)(gpr_log_func_args* args);

// What gets the lines instead of stderr; null for stderr again.
void gpr_set_log_function(gpr_log_func function);

}  // namespace lh_v1

// Ends the program if `x` is false; GPR_DEBUG_ASSERT only without NDEBUG.
#define GPR_ASSERT(x)                                 \
  do {                                                \
    if (GPR_UNLIKELY(!(x))) {                         \
      gpr_log(GPR_ERROR, "assertion failed: %s", #x); \
      std::abort();                                   \
    }                                                 \
  } while (0)

#ifndef NDEBUG
#define GPR_DEBUG_ASSERT(x) GPR_ASSERT(x)
#else
#define GPR_DEBUG_ASSERT(x)
#endif

#endif  // GRPC_SUPPORT_LOG_H_
