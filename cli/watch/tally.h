// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cli/watch/tally.h
//
// Many looks at the state of a machine, added up.
#ifndef LAUBERHORN_CLI_WATCH_TALLY_H_
#define LAUBERHORN_CLI_WATCH_TALLY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/watch/state_memory.h"
#include "nic/state_words.h"

namespace lauberhorn::cli {

// What a CPU was seen at, in the order of the letters below.
enum class Doing { kIdle, kKernel, kOther, kBound, kOffline };
inline constexpr int kDoings = 5;
// How a strip of looks shows it.
inline constexpr char kDoingLetters[kDoings + 1] = ".ko#-";

// Where the thread of an endpoint was seen.
enum class Where { kOnCpu, kWaitsForCpu, kParked, kBlocked };
inline constexpr int kWheres = 4;

// What the looks since the last Summary came to. Shares are of these looks.
struct Summary {
  struct Cpu {
    CpuLook last;
    double changes_per_second;
    double departures_per_second;
    std::array<double, kDoings> shares;
    std::string strip;  // of the latest looks, the newest at the right
    bool watches;       // this program looked from there, and saw itself
  };
  struct Endpoint {
    unsigned index;
    nic::EndpointWord last;
    std::optional<unsigned> cpu;  // that runs its thread
    std::array<double, kWheres> shares;
    std::string cpus;  // on which its thread may run
  };
  absl::Duration time;
  unsigned looks = 0;
  std::vector<Cpu> cpus;
  std::vector<Endpoint> endpoints;  // those that a thread is, or was, bound to
};

class Tally {
 public:
  static constexpr std::size_t kStrip = 32;

  explicit Tally(const StateMemory& memory, absl::Time now);

  // One look at everything, from the CPU `own`.
  void Look(unsigned own);

  // Everything since the last one, and begins anew.
  Summary Summarise(absl::Time now);

 private:
  struct Cpu {
    CpuLook last;
    std::uint64_t count_before = 0;  // at the last summary
    std::uint64_t departures = 0;
    std::array<unsigned, kDoings> seen = {};
    std::string strip = {};
    bool watches = false;
  };
  struct Endpoint {
    nic::EndpointWord last{0};
    std::optional<unsigned> cpu;
    std::array<unsigned, kWheres> seen = {};
  };

  const StateMemory& memory_;
  absl::Time since_;
  unsigned looks_ = 0;
  std::vector<Cpu> cpus_;
  std::vector<Endpoint> endpoints_;
};

}  // namespace lauberhorn::cli

#endif  // LAUBERHORN_CLI_WATCH_TALLY_H_
