// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The log of gRPC's C library; see grpc/support/log.h.
//
// Ordering: the two settings are independent words, and relaxed.
#include <grpc/support/log.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

inline namespace lh_v1 {
namespace {

// Above all severities.
constexpr int kNothing = GPR_LOG_SEVERITY_ERROR + 1;

int VerbosityOfEnvironment() {
  const char* const text = std::getenv("GRPC_VERBOSITY");
  const absl::string_view verbosity = text == nullptr ? "" : text;
  if (absl::EqualsIgnoreCase(verbosity, "DEBUG")) return GPR_LOG_SEVERITY_DEBUG;
  if (absl::EqualsIgnoreCase(verbosity, "INFO")) return GPR_LOG_SEVERITY_INFO;
  if (absl::EqualsIgnoreCase(verbosity, "NONE")) return kNothing;
  return GPR_LOG_SEVERITY_ERROR;
}

std::atomic<int>& Verbosity() {
  static std::atomic<int> verbosity{VerbosityOfEnvironment()};
  return verbosity;
}

void WriteToStderr(gpr_log_func_args* args) {
  const absl::string_view path = args->file;
  const std::string where = absl::StrCat(
      gpr_log_severity_string(args->severity),
      absl::FormatTime("%m%d %H:%M:%E9S", absl::Now(), absl::LocalTimeZone()),
      " ", absl::Dec(getpid(), absl::kSpacePad7), " ",
      path.substr(path.rfind('/') + 1), ":", args->line, "]");
  std::fprintf(stderr, "%-60s %s\n", where.c_str(), args->message);
}

std::atomic<gpr_log_func> write_line{&WriteToStderr};

}  // namespace

const char* gpr_log_severity_string(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_DEBUG:
      return "D";
    case GPR_LOG_SEVERITY_INFO:
      return "I";
    case GPR_LOG_SEVERITY_ERROR:
      break;
  }
  return "E";
}

int gpr_should_log(gpr_log_severity severity) {
  return severity >= Verbosity().load(std::memory_order_relaxed) ? 1 : 0;
}

void gpr_set_log_verbosity(gpr_log_severity min_severity_to_print) {
  Verbosity().store(min_severity_to_print, std::memory_order_relaxed);
}

void gpr_set_log_function(gpr_log_func function) {
  write_line.store(function == nullptr ? &WriteToStderr : function,
                   std::memory_order_relaxed);
}

void gpr_log_message(const char* file, int line, gpr_log_severity severity,
                     const char* message) {
  if (gpr_should_log(severity) == 0) return;
  gpr_log_func_args args = {file, line, severity, message};
  write_line.load(std::memory_order_relaxed)(&args);
}

void gpr_log(const char* file, int line, gpr_log_severity severity,
             const char* format, ...) {
  if (gpr_should_log(severity) == 0) return;
  va_list arguments;
  va_start(arguments, format);
  char* message = nullptr;
  if (vasprintf(&message, format, arguments) >= 0) {
    gpr_log_message(file, line, severity, message);
    std::free(message);
  }
  va_end(arguments);
}

}  // namespace lh_v1
