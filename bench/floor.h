// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/floor.h
//
// What two cores can do at best, to compare with: a bounced line, which says
// how far they are, and the floor, a 64-byte echo: request in one line, reply
// in another, both sides spinning on the word in its line.
//
// Thread-safety: the host's functions on one thread and the partner's on
// another, for the same count at the same time. Ordering is that of the words:
// stored with release, loaded with acquire.
#ifndef LAUBERHORN_BENCH_FLOOR_H_
#define LAUBERHORN_BENCH_FLOOR_H_

#include <cstddef>
#include <cstdint>

namespace lauberhorn::bench {

class Floor {
 public:
  void BounceHost(int count);
  void BouncePartner(int count);
  void EchoHost(int count);
  void EchoPartner(int count);

  // Of what the host got back: shows that every reply was read.
  std::uint64_t sum() const { return sum_; }

 private:
  // A word that says whose turn it is, and 56 bytes.
  struct alignas(128) Line {
    std::uint64_t word = 0;
    std::uint8_t bytes[56] = {};
  };

  Line bounce_;
  Line request_;
  Line reply_;
  alignas(128) std::uint64_t sum_ = 0;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_FLOOR_H_
