// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/simulation.h
//
// Hosts with engines, the network between them and the threads of their
// processes, all driven by one thread in simulated time. Time goes on to
// whatever is due first: a turn of an engine, a packet that arrives, a thread,
// an event of the test. All chance comes from one seed: the same seed gives the
// same run, in every detail.
#ifndef LAUBERHORN_NIC_TESTING_SIMULATION_H_
#define LAUBERHORN_NIC_TESTING_SIMULATION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/random.h"
#include "nic/testing/simulated_host.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed);

  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  Nanos now() const { return now_; }
  Random& random() { return random_; }
  MemoryNetwork& network() { return network_; }

  // Another host, which is down: 10.0.0.1, then 10.0.0.2, and so on.
  SimulatedHost& AddHost(const HostOptions& options);
  SimulatedHost& host(std::size_t index) { return *hosts_[index]; }
  std::size_t host_count() const { return hosts_.size(); }

  // Runs `event` at `when`, or at once if that has passed.
  void At(Nanos when, std::function<void()> event);

  // Whether packets from and to this host are lost.
  void set_unplugged(const SimulatedHost& host, bool unplugged);

  // Loses the first packet of this type about each call from now on.
  void LoseFirst(std::uint8_t type) { lose_first_ = type; }

  // What is due next, and all of it. False: nothing ever will be.
  bool Step();

  // Steps until `done`. False: it is not by `limit`, or time stands still.
  bool RunUntil(Nanos limit, const std::function<bool()>& done);

  // Says what happens, one line each; to nobody at first.
  void set_trace(std::ostream* trace) { trace_ = trace; }
  bool traced() const { return trace_ != nullptr; }
  template <typename... Parts>
  void Trace(const Parts&... parts) {
    if (trace_ != nullptr) WriteTrace(absl::StrCat(parts...));
  }

 private:
  Nanos Next() const;
  bool Passes(const Address& from, const Address& to,
              absl::Span<const std::uint8_t> packet);
  bool IsFirst(absl::Span<const std::uint8_t> bytes);
  void WriteTrace(const std::string& line);

  Random random_;
  MemoryNetwork network_;
  std::vector<std::unique_ptr<SimulatedHost>> hosts_;
  std::multimap<Nanos, std::function<void()>> events_;
  std::set<std::size_t> unplugged_;  // host numbers
  std::uint8_t lose_first_ = 0;      // LH_PACKET_*
  // Tokens, slots and sequences.
  std::set<std::tuple<std::uint64_t, std::uint16_t, std::uint32_t>> lost_;
  std::ostream* trace_ = nullptr;
  Nanos now_ = 1000 * kSecond;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_SIMULATION_H_
