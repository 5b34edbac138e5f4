// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/memory_wire.h
//
// A network in memory for tests: packets between wires of named hosts, with
// loss, duplication, reordering, corruption, truncation and delay. Time is
// simulated and all chance comes from one seed, so the same calls give the same
// run every time.
//
// Not thread-safe. The network outlives its factories and wires.
#ifndef LAUBERHORN_NIC_TESTING_MEMORY_WIRE_H_
#define LAUBERHORN_NIC_TESTING_MEMORY_WIRE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "nic/address.h"
#include "nic/time.h"
#include "nic/wire.h"

namespace lauberhorn::nic::testing {

// 10.0.0.<host>:<port>
Address TestAddress(std::uint8_t host, std::uint16_t port = 0);

// Who does not ask for a port gets the first from here on that is free.
inline constexpr std::uint16_t kFirstFreePort = 49'152;

class MemoryNetwork {
 public:
  // What happens to packets: of each thousand, how many. Each packet takes a
  // time between the two delays; one that is reordered comes before all that
  // were not received yet.
  struct Faults {
    unsigned loss = 0;
    unsigned duplication = 0;
    unsigned reordering = 0;
    unsigned corruption = 0;  // one bit
    unsigned truncation = 0;  // to any smaller size
    bool refusals = false;    // who sends to where nobody is hears of it
    Nanos min_delay = 0;
    Nanos max_delay = 0;
  };
  // What happened so far.
  struct Totals {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint64_t lost = 0;         // by chance or by the filter
    std::uint64_t unreachable = 0;  // nobody had a wire there on arrival
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;
    std::uint64_t corrupted = 0;
    std::uint64_t truncated = 0;
  };
  // Sees each packet as it was sent; false loses it. May not send.
  using Filter = std::function<bool(const Address& from, const Address& to,
                                    absl::Span<const std::uint8_t> packet)>;

  explicit MemoryNetwork(std::uint64_t seed);
  ~MemoryNetwork();

  MemoryNetwork(const MemoryNetwork&) = delete;
  MemoryNetwork& operator=(const MemoryNetwork&) = delete;

  void set_faults(const Faults& faults) { faults_ = faults; }
  void set_filter(Filter filter) { filter_ = std::move(filter); }

  // Is told of each packet that came to a wire, and may not send.
  void set_on_arrival(std::function<void(const Address& to)> on_arrival) {
    on_arrival_ = std::move(on_arrival);
  }

  // The wires of the host with this address; its port does not matter.
  // Listening elsewhere than there or on any address is refused, and so is a
  // port twice.
  std::unique_ptr<WireFactory> Host(const Address& address);

  // Packets of the wire at `inside` come from `outside` from now on, and what
  // is sent there goes to that wire; where they came from before, nobody is any
  // more: what a NAT does that forgets.
  void Translate(const Address& inside, const Address& outside);

  // A packet that somebody sends in the name of `from`.
  void Forge(const Address& from, const Address& to,
             absl::Span<const std::uint8_t> bytes);

  // It is `now`: what arrives until then can be received. Without delays
  // packets can be received as soon as they were sent.
  void Advance(Nanos now);

  // When the next packet on its way arrives; kNever if there is none.
  Nanos Next() const {
    return on_the_way_.empty() ? kNever : on_the_way_.begin()->first;
  }

  const Totals& totals() const { return totals_; }

 private:
  class MemoryWire;
  class Factory;
  struct Packet {
    Address from;
    Address to;
    std::vector<std::uint8_t> bytes;
    bool overtakes;
  };

  absl::StatusOr<std::unique_ptr<Wire>> Bind(Address local);
  // Null if nobody is there.
  MemoryWire* Find(const Address& to) const;
  void Send(const Address& inside, const Address& to,
            absl::Span<const std::uint8_t> bytes);
  void Arrive();
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }
  bool Chance(unsigned per_mille) { return Below(1000) < per_mille; }

  std::mt19937_64 random_;
  Faults faults_;
  Totals totals_;
  Filter filter_;
  std::function<void(const Address& to)> on_arrival_;
  Nanos now_ = 0;
  std::multimap<Nanos, Packet> on_the_way_;  // by arrival
  absl::flat_hash_map<Address, MemoryWire*> wires_;
  absl::flat_hash_map<Address, Address> outside_;  // of translated wires
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_MEMORY_WIRE_H_
