// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Points in time and durations of gRPC's C library; see grpc/support/time.h.
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <time.h>

#include <cerrno>
#include <limits>

inline namespace lh_v1 {
namespace {

constexpr std::int64_t kFuture = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kPast = std::numeric_limits<std::int64_t>::min();

bool IsInfinite(gpr_timespec time) {
  return time.tv_sec == kFuture || time.tv_sec == kPast;
}

// So many units of 1/`per_second` seconds; parts of a second count upwards.
gpr_timespec FromUnits(std::int64_t count, std::int64_t per_second,
                       gpr_clock_type type) {
  if (count == kFuture) return gpr_inf_future(type);
  if (count == kPast) return gpr_inf_past(type);
  std::int64_t seconds = count / per_second;
  std::int64_t rest = count % per_second;
  if (rest < 0) {
    --seconds;
    rest += per_second;
  }
  return {seconds,
          static_cast<std::int32_t>(rest * (GPR_NS_PER_SEC / per_second)),
          type};
}

// So many units of `seconds` seconds.
gpr_timespec FromLongUnits(std::int64_t count, std::int64_t seconds,
                           gpr_clock_type type) {
  std::int64_t total;
  if (__builtin_mul_overflow(count, seconds, &total)) {
    return count > 0 ? gpr_inf_future(type) : gpr_inf_past(type);
  }
  return {total, 0, type};
}

// The sum of both parts, of which the second has up to twice its range.
gpr_timespec Normalized(std::int64_t seconds, bool overflow, bool upwards,
                        std::int64_t nanos, gpr_clock_type type) {
  if (nanos >= GPR_NS_PER_SEC) {
    nanos -= GPR_NS_PER_SEC;
    overflow |= __builtin_add_overflow(seconds, 1, &seconds);
  } else if (nanos < 0) {
    nanos += GPR_NS_PER_SEC;
    overflow |= __builtin_sub_overflow(seconds, 1, &seconds);
  }
  if (overflow || seconds == kFuture || seconds == kPast) {
    return upwards ? gpr_inf_future(type) : gpr_inf_past(type);
  }
  return {seconds, static_cast<std::int32_t>(nanos), type};
}

}  // namespace

gpr_timespec gpr_time_0(gpr_clock_type type) { return {0, 0, type}; }
gpr_timespec gpr_inf_future(gpr_clock_type type) { return {kFuture, 0, type}; }
gpr_timespec gpr_inf_past(gpr_clock_type type) { return {kPast, 0, type}; }

gpr_timespec gpr_now(gpr_clock_type clock) {
  GPR_ASSERT(clock != GPR_TIMESPAN);
  timespec now;
  clock_gettime(clock == GPR_CLOCK_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME,
                &now);
  return {now.tv_sec, static_cast<std::int32_t>(now.tv_nsec), clock};
}

gpr_timespec gpr_convert_clock_type(gpr_timespec time, gpr_clock_type type) {
  if (time.clock_type == type) return time;
  if (IsInfinite(time)) return {time.tv_sec, time.tv_nsec, type};
  const gpr_timespec ahead = time.clock_type == GPR_TIMESPAN
                                 ? time
                                 : gpr_time_sub(time, gpr_now(time.clock_type));
  return type == GPR_TIMESPAN ? ahead : gpr_time_add(gpr_now(type), ahead);
}

int gpr_time_cmp(gpr_timespec a, gpr_timespec b) {
  GPR_ASSERT(a.clock_type == b.clock_type);
  if (a.tv_sec != b.tv_sec) return a.tv_sec < b.tv_sec ? -1 : 1;
  if (IsInfinite(a)) return 0;
  return (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

gpr_timespec gpr_time_max(gpr_timespec a, gpr_timespec b) {
  return gpr_time_cmp(a, b) > 0 ? a : b;
}

gpr_timespec gpr_time_min(gpr_timespec a, gpr_timespec b) {
  return gpr_time_cmp(a, b) < 0 ? a : b;
}

gpr_timespec gpr_time_add(gpr_timespec a, gpr_timespec b) {
  GPR_ASSERT(b.clock_type == GPR_TIMESPAN);
  if (IsInfinite(a)) return a;
  if (IsInfinite(b)) return {b.tv_sec, 0, a.clock_type};
  std::int64_t seconds;
  const bool overflow = __builtin_add_overflow(a.tv_sec, b.tv_sec, &seconds);
  return Normalized(seconds, overflow, b.tv_sec >= 0,
                    std::int64_t{a.tv_nsec} + b.tv_nsec, a.clock_type);
}

gpr_timespec gpr_time_sub(gpr_timespec a, gpr_timespec b) {
  GPR_ASSERT(b.clock_type == GPR_TIMESPAN || b.clock_type == a.clock_type);
  const gpr_clock_type type =
      b.clock_type == GPR_TIMESPAN ? a.clock_type : GPR_TIMESPAN;
  if (IsInfinite(a)) return {a.tv_sec, 0, type};
  if (b.tv_sec == kPast) return gpr_inf_future(type);
  if (b.tv_sec == kFuture) return gpr_inf_past(type);
  std::int64_t seconds;
  const bool overflow = __builtin_sub_overflow(a.tv_sec, b.tv_sec, &seconds);
  return Normalized(seconds, overflow, b.tv_sec < 0,
                    std::int64_t{a.tv_nsec} - b.tv_nsec, type);
}

gpr_timespec gpr_time_from_nanos(std::int64_t ns, gpr_clock_type type) {
  return FromUnits(ns, GPR_NS_PER_SEC, type);
}
gpr_timespec gpr_time_from_micros(std::int64_t us, gpr_clock_type type) {
  return FromUnits(us, GPR_US_PER_SEC, type);
}
gpr_timespec gpr_time_from_millis(std::int64_t ms, gpr_clock_type type) {
  return FromUnits(ms, GPR_MS_PER_SEC, type);
}
gpr_timespec gpr_time_from_seconds(std::int64_t s, gpr_clock_type type) {
  return {s, 0, type};
}
gpr_timespec gpr_time_from_minutes(std::int64_t minutes, gpr_clock_type type) {
  return FromLongUnits(minutes, 60, type);
}
gpr_timespec gpr_time_from_hours(std::int64_t hours, gpr_clock_type type) {
  return FromLongUnits(hours, 3600, type);
}

std::int32_t gpr_time_to_millis(gpr_timespec time) {
  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
  // What is beyond is so by whole seconds, and cannot overflow below.
  if (time.tv_sec > kMost / GPR_MS_PER_SEC) return kMost;
  if (time.tv_sec < -(kMost / GPR_MS_PER_SEC)) return -kMost;
  const std::int64_t millis =
      time.tv_sec * GPR_MS_PER_SEC + time.tv_nsec / GPR_NS_PER_MS;
  return millis > kMost ? kMost : static_cast<std::int32_t>(millis);
}

int gpr_time_similar(gpr_timespec a, gpr_timespec b, gpr_timespec threshold) {
  GPR_ASSERT(a.clock_type == b.clock_type);
  GPR_ASSERT(threshold.clock_type == GPR_TIMESPAN);
  const int order = gpr_time_cmp(a, b);
  if (order == 0) return 1;
  const gpr_timespec apart =
      order < 0 ? gpr_time_sub(b, a) : gpr_time_sub(a, b);
  return gpr_time_cmp(apart, threshold) <= 0 ? 1 : 0;
}

void gpr_sleep_until(gpr_timespec until) {
  GPR_ASSERT(until.clock_type != GPR_TIMESPAN);
  if (until.tv_sec < 0) return;
  const clockid_t clock = until.clock_type == GPR_CLOCK_MONOTONIC
                              ? CLOCK_MONOTONIC
                              : CLOCK_REALTIME;
  timespec time;
  time.tv_sec = until.tv_sec;
  time.tv_nsec = until.tv_nsec;
  while (clock_nanosleep(clock, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

double gpr_timespec_to_micros(gpr_timespec time) {
  return static_cast<double>(time.tv_sec) * GPR_US_PER_SEC +
         time.tv_nsec * 1e-3;
}

}  // namespace lh_v1
