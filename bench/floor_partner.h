// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: bench/floor_partner.h
//
// The other side of the floor (bench/floor.h) in a process of its own, for what
// is measured between processes. It sleeps while it is not asked.
//
// Thread-safety: none.
#ifndef LAUBERHORN_BENCH_FLOOR_PARTNER_H_
#define LAUBERHORN_BENCH_FLOOR_PARTNER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "bench/floor.h"
#include "bench/forked_server.h"

namespace lauberhorn::bench {

class FloorPartner {
 public:
  // Starts it on that CPU. Errors as of ForkedServer::Start().
  static absl::StatusOr<std::unique_ptr<FloorPartner>> Start(int cpu);
  ~FloorPartner();

  FloorPartner(const FloorPartner&) = delete;
  FloorPartner& operator=(const FloorPartner&) = delete;

  // Nanoseconds of one line there and back, or of one two-line echo: the mean
  // of `count`.
  double Bounce(int count) { return Turn(kBounce, count); }
  double Echo(int count) { return Turn(kEcho, count); }

  // How often it was switched out while it was asked.
  std::int64_t switches() const;

 private:
  enum What : std::uint32_t { kBounce, kEcho };
  struct Shared;

  explicit FloorPartner(Shared* shared) : shared_(shared) {}
  double Turn(What what, int count);
  static void Serve(Shared* shared);

  Shared* const shared_;
  std::unique_ptr<ForkedServer> process_;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_FLOOR_PARTNER_H_
