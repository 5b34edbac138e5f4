// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Points in time of the gRPC-compatible API. Everything passes through
// absl::Time, whose infinities are those of gpr_timespec and chrono.
#include <grpcpp/support/time.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <limits>

#include "absl/time/clock.h"

namespace grpc {
inline namespace lh_v1 {
namespace {

constexpr std::int64_t kInfiniteFuture =
    std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kInfinitePast = std::numeric_limits<std::int64_t>::min();

// From the zero of a clock.
absl::Duration SinceZero(gpr_timespec time) {
  return absl::Seconds(time.tv_sec) + absl::Nanoseconds(time.tv_nsec);
}

absl::Duration MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace

namespace internal {

absl::Time ToTime(gpr_timespec from) {
  if (from.tv_sec == kInfiniteFuture) return absl::InfiniteFuture();
  if (from.tv_sec == kInfinitePast) return absl::InfinitePast();
  switch (from.clock_type) {
    case GPR_TIMESPAN:
      return absl::Now() + SinceZero(from);
    case GPR_CLOCK_MONOTONIC:
      return absl::Now() + (SinceZero(from) - MonotonicNow());
    case GPR_CLOCK_REALTIME:
    case GPR_CLOCK_PRECISE:
      break;
  }
  return absl::UnixEpoch() + SinceZero(from);
}

gpr_timespec ToTimespec(absl::Time from) {
  if (from == absl::InfiniteFuture()) {
    return {kInfiniteFuture, 0, GPR_CLOCK_REALTIME};
  }
  if (from == absl::InfinitePast()) {
    return {kInfinitePast, 0, GPR_CLOCK_REALTIME};
  }
  const timespec time = absl::ToTimespec(from);
  return {time.tv_sec, static_cast<std::int32_t>(time.tv_nsec),
          GPR_CLOCK_REALTIME};
}

}  // namespace internal

void Timepoint2Timespec(const std::chrono::system_clock::time_point& from,
                        gpr_timespec* to) {
  using TimePointType = std::chrono::system_clock::time_point;
  *to = internal::ToTimespec(from == TimePointType::max()
                                 ? absl::InfiniteFuture()
                                 : absl::FromChrono(from));
}

std::chrono::system_clock::time_point Timespec2Timepoint(gpr_timespec from) {
  return absl::ToChronoTime(internal::ToTime(from));
}

}  // namespace lh_v1
}  // namespace grpc
