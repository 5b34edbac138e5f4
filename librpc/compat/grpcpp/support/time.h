// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/time.h
//
// Points in time as gRPC's API takes them: gpr_timespec, chrono's system clock,
// absl::Time, and any type T for which TimePoint<T> is specialised:
//
//   template <>
//   class grpc::TimePoint<MyTime> {
//    public:
//     TimePoint(const MyTime& time);
//     gpr_timespec raw_time() const;
//   };
//
// Thread-safety: values. Blocking: never. Allocation: none.
#ifndef GRPCPP_SUPPORT_TIME_H_
#define GRPCPP_SUPPORT_TIME_H_

#include <chrono>
#include <cstdint>

#include "absl/time/time.h"
#include "grpc/support/time.h"

namespace grpc {
inline namespace lh_v1 {

template <typename T>
class TimePoint {
 public:
  TimePoint(const T& time) = delete;  // specialise TimePoint for your type
  gpr_timespec raw_time() = delete;
};

// Timepoint2Timespec()
//
// A point of the system's clock; time_point::max() is the infinite future.
void Timepoint2Timespec(const std::chrono::system_clock::time_point& from,
                        gpr_timespec* to);

// Timespec2Timepoint()
//
// The way back. A GPR_TIMESPAN counts from now.
std::chrono::system_clock::time_point Timespec2Timepoint(gpr_timespec from);

namespace internal {

// internal::ToTime()
//
// The point in time on the system's clock. A GPR_TIMESPAN counts from now.
absl::Time ToTime(gpr_timespec from);

// internal::ToTimespec()
//
// In GPR_CLOCK_REALTIME.
gpr_timespec ToTimespec(absl::Time from);

}  // namespace internal

template <>
class TimePoint<gpr_timespec> {
 public:
  TimePoint(const gpr_timespec& time) : time_(time) {}
  gpr_timespec raw_time() const { return time_; }

 private:
  gpr_timespec time_;
};

template <>
class TimePoint<std::chrono::system_clock::time_point> {
 public:
  TimePoint(const std::chrono::system_clock::time_point& time) {
    Timepoint2Timespec(time, &time_);
  }
  gpr_timespec raw_time() const { return time_; }

 private:
  gpr_timespec time_;
};

template <>
class TimePoint<absl::Time> {
 public:
  TimePoint(const absl::Time& time) : time_(internal::ToTimespec(time)) {}
  gpr_timespec raw_time() const { return time_; }

 private:
  gpr_timespec time_;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_TIME_H_
