// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/watch/tally.h"

#include <algorithm>
#include <utility>

#include "abi/host/cpu.h"
#include "abi/host/endpoint.h"

namespace lauberhorn::cli {
namespace {

Doing DoingOf(const nic::CpuWord& word) {
  switch (word.mode) {
    case LH_CPU_OFFLINE:
      return Doing::kOffline;
    case LH_CPU_IDLE:
    case LH_CPU_IDLE_WAIT:
      return Doing::kIdle;
    case LH_CPU_KERNEL:
      return Doing::kKernel;
    case LH_CPU_BOUND:
      return Doing::kBound;
    default:
      return Doing::kOther;
  }
}

// Nothing for an endpoint without a thread that could be anywhere.
std::optional<Where> WhereOf(std::uint32_t state, bool on_cpu) {
  switch (state) {
    case LH_ENDPOINT_RUNNABLE:
      return on_cpu ? Where::kOnCpu : Where::kWaitsForCpu;
    case LH_ENDPOINT_PARKED:
      return Where::kParked;
    case LH_ENDPOINT_BLOCKED:
      return Where::kBlocked;
    default:
      return std::nullopt;
  }
}

template <std::size_t kSize>
std::array<double, kSize> Shares(const std::array<unsigned, kSize>& seen,
                                 unsigned looks) {
  std::array<double, kSize> shares;
  for (std::size_t at = 0; at < kSize; ++at) {
    shares[at] = static_cast<double>(seen[at]) / std::max(looks, 1u);
  }
  return shares;
}

}  // namespace

Tally::Tally(const StateMemory& memory, absl::Time now)
    : memory_(memory), since_(now), endpoints_(memory.endpoints()) {
  for (unsigned cpu = 0; cpu < memory.cpus(); ++cpu) {
    const CpuLook look = memory.LookAtCpu(cpu);
    cpus_.push_back({look, look.count});
  }
}

void Tally::Look(unsigned own) {
  ++looks_;
  for (Endpoint& endpoint : endpoints_) endpoint.cpu.reset();
  for (unsigned at = 0; at < cpus_.size(); ++at) {
    Cpu& cpu = cpus_[at];
    const CpuLook look = memory_.LookAtCpu(at);
    // Modulo 256, which is what a CPU can do between two looks at most times.
    cpu.departures += (look.word.departed - cpu.last.word.departed) %
                      (1u << LH_CPU_DEPARTED_BITS);
    cpu.last = look;
    const auto doing = static_cast<std::size_t>(DoingOf(look.word));
    ++cpu.seen[doing];
    cpu.strip.push_back(kDoingLetters[doing]);
    if (cpu.strip.size() > kStrip) cpu.strip.erase(0, 1);
    cpu.watches |= at == own;
    const std::uint32_t runs = look.word.endpoint;
    if (runs != 0 && runs <= endpoints_.size()) endpoints_[runs - 1].cpu = at;
  }
  for (unsigned at = 0; at < endpoints_.size(); ++at) {
    Endpoint& endpoint = endpoints_[at];
    endpoint.last = memory_.LookAtEndpoint(at);
    const auto where = WhereOf(endpoint.last.state, endpoint.cpu.has_value());
    if (where.has_value()) ++endpoint.seen[static_cast<std::size_t>(*where)];
  }
}

Summary Tally::Summarise(absl::Time now) {
  Summary summary;
  summary.time = now - std::exchange(since_, now);
  summary.looks = std::exchange(looks_, 0);
  const double seconds = std::max(absl::ToDoubleSeconds(summary.time), 1e-9);
  for (Cpu& cpu : cpus_) {
    const std::uint64_t changes =
        cpu.last.count - std::exchange(cpu.count_before, cpu.last.count);
    summary.cpus.push_back(
        {cpu.last, static_cast<double>(changes) / seconds,
         static_cast<double>(std::exchange(cpu.departures, 0)) / seconds,
         Shares(std::exchange(cpu.seen, {}), summary.looks), cpu.strip,
         std::exchange(cpu.watches, false)});
  }
  for (unsigned at = 0; at < endpoints_.size(); ++at) {
    Endpoint& endpoint = endpoints_[at];
    const auto seen = std::exchange(endpoint.seen, {});
    const bool there = std::any_of(seen.begin(), seen.end(),
                                   [](unsigned times) { return times > 0; });
    if (endpoint.last.state == LH_ENDPOINT_UNBOUND && !there) continue;
    summary.endpoints.push_back({at, endpoint.last, endpoint.cpu,
                                 Shares(seen, summary.looks),
                                 memory_.Mask(endpoint.last.mask)});
  }
  return summary;
}

}  // namespace lauberhorn::cli
