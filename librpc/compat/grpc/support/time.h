// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpc/support/time.h
//
// Points in time and durations as gRPC's C library has them.
//
//   context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
//                                     gpr_time_from_millis(50, GPR_TIMESPAN)));
//
// INT64_MAX seconds are the infinite future, INT64_MIN the infinite past; sums
// that are larger or smaller than what fits become these. Points of two clocks
// can neither be compared nor subtracted: that ends the program.
//
// Thread-safety: values. Blocking: gpr_sleep_until() only. Allocation: none.
#ifndef GRPC_SUPPORT_TIME_H_
#define GRPC_SUPPORT_TIME_H_

#include <cstdint>

#include "grpc/support/port_platform.h"

#define GPR_MS_PER_SEC 1000
#define GPR_US_PER_SEC 1000000
#define GPR_NS_PER_SEC 1000000000
#define GPR_NS_PER_MS 1000000
#define GPR_NS_PER_US 1000
#define GPR_US_PER_MS 1000

inline namespace lh_v1 {

enum gpr_clock_type {
  GPR_CLOCK_MONOTONIC = 0,
  GPR_CLOCK_REALTIME,
  GPR_CLOCK_PRECISE,  // here the same as GPR_CLOCK_REALTIME
  GPR_TIMESPAN        // not a point in time, but a duration
};

// 0 <= tv_nsec < GPR_NS_PER_SEC, also before the zero of the clock.
struct gpr_timespec {
  std::int64_t tv_sec;
  std::int32_t tv_nsec;
  gpr_clock_type clock_type;
};

// The zero and the two infinities.
gpr_timespec gpr_time_0(gpr_clock_type type);
gpr_timespec gpr_inf_future(gpr_clock_type type);
gpr_timespec gpr_inf_past(gpr_clock_type type);

// Nothing has to be set up.
inline void gpr_time_init() {}

gpr_timespec gpr_now(gpr_clock_type clock);

// The same point on another clock. Durations, where one of both is
// GPR_TIMESPAN, count from now.
gpr_timespec gpr_convert_clock_type(gpr_timespec time, gpr_clock_type type);

// Negative, 0 or positive, as a is before, at or after b.
int gpr_time_cmp(gpr_timespec a, gpr_timespec b);
gpr_timespec gpr_time_max(gpr_timespec a, gpr_timespec b);
gpr_timespec gpr_time_min(gpr_timespec a, gpr_timespec b);

// A point or duration and a duration, which is a duration if both are. The
// difference of two points is a duration.
gpr_timespec gpr_time_add(gpr_timespec a, gpr_timespec b);
gpr_timespec gpr_time_sub(gpr_timespec a, gpr_timespec b);

// From the zero of a clock, or durations. INT64_MAX and INT64_MIN are infinite.
gpr_timespec gpr_time_from_nanos(std::int64_t ns, gpr_clock_type type);
gpr_timespec gpr_time_from_micros(std::int64_t us, gpr_clock_type type);
gpr_timespec gpr_time_from_millis(std::int64_t ms, gpr_clock_type type);
gpr_timespec gpr_time_from_seconds(std::int64_t s, gpr_clock_type type);
gpr_timespec gpr_time_from_minutes(std::int64_t minutes, gpr_clock_type type);
gpr_timespec gpr_time_from_hours(std::int64_t hours, gpr_clock_type type);

// In milliseconds, of which fractions are dropped; at most INT32_MAX, at least
// -INT32_MAX.
std::int32_t gpr_time_to_millis(gpr_timespec time);

// 1 if a and b differ by at most `threshold`, else 0.
int gpr_time_similar(gpr_timespec a, gpr_timespec b, gpr_timespec threshold);

// Returns at this point in time.
void gpr_sleep_until(gpr_timespec until);

double gpr_timespec_to_micros(gpr_timespec time);

}  // namespace lh_v1

#endif  // GRPC_SUPPORT_TIME_H_
