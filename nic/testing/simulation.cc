// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/simulation.h"

#include <algorithm>
#include <iomanip>

#include "nic/packet.h"

namespace lauberhorn::nic::testing {
namespace {

// Steps without an end: something asks for the next turn again and again.
constexpr std::uint64_t kMostSteps = 10'000'000;

// The host of an address is its last byte.
std::size_t HostOf(const Address& address) { return address.raw().ip[15]; }

const char* TypeName(std::uint8_t type) {
  static constexpr const char* kNames[LH_PACKET_TYPES] = {
      "?",      "HELLO",    "COOKIE",    "OPEN",     "ACCEPT", "CALL",
      "REPLY",  "ACCEPTED", "PROBE",     "BUSY",     "ACK",    "RESET",
      "CANCEL", "DATA",     "CHALLENGE", "RESPONSE", "CLOSE",  "REFUSE"};
  return type < LH_PACKET_TYPES ? kNames[type] : "?";
}

std::string Describe(absl::Span<const std::uint8_t> bytes) {
  const std::optional<Packet> packet = ParsePacket(bytes);
  if (!packet.has_value()) return "a malformed packet";
  const lh_packet& header = packet->header;
  return absl::StrCat(TypeName(header.type), " slot ", header.slot,
                      " sequence ", header.sequence, " token ",
                      absl::Hex(header.token & 0xffff), " status ",
                      header.status, ", ", packet->payload.size(), " bytes");
}

}  // namespace

Simulation::Simulation(std::uint64_t seed) : random_(seed), network_(seed) {
  network_.Advance(now_);
  network_.set_filter([this](const Address& from, const Address& to,
                             absl::Span<const std::uint8_t> packet) {
    return Passes(from, to, packet);
  });
  network_.set_on_arrival([this](const Address& to) {
    const std::size_t index = HostOf(to) - 1;
    if (index < hosts_.size()) hosts_[index]->PacketCame(now_);
  });
}

SimulatedHost& Simulation::AddHost(const HostOptions& options) {
  const auto number = static_cast<std::uint8_t>(hosts_.size() + 1);
  hosts_.push_back(std::make_unique<SimulatedHost>(
      network_, number, options, random_.Below(~std::uint64_t{0})));
  return *hosts_.back();
}

void Simulation::At(Nanos when, std::function<void()> event) {
  events_.emplace(when, std::move(event));
}

void Simulation::set_unplugged(const SimulatedHost& host, bool unplugged) {
  Trace("host ", host.number(), unplugged ? " is unplugged" : " is plugged in");
  if (unplugged) {
    unplugged_.insert(host.number());
  } else {
    unplugged_.erase(host.number());
  }
}

bool Simulation::Passes(const Address& from, const Address& to,
                        absl::Span<const std::uint8_t> packet) {
  const bool unplugged =
      !unplugged_.empty() && HostOf(from) != HostOf(to) &&
      (unplugged_.contains(HostOf(from)) || unplugged_.contains(HostOf(to)));
  const bool lost = !unplugged && lose_first_ != 0 && IsFirst(packet);
  if (traced()) {
    Trace(from.ToString(), " -> ", to.ToString(), ": ", Describe(packet),
          unplugged ? ", into an unplugged cable" : "", lost ? ", lost" : "");
  }
  return !unplugged && !lost;
}

bool Simulation::IsFirst(absl::Span<const std::uint8_t> bytes) {
  const std::optional<Packet> packet = ParsePacket(bytes);
  if (!packet.has_value() || packet->header.type != lose_first_) return false;
  const lh_packet& header = packet->header;
  return lost_.emplace(header.token, header.slot, header.sequence).second;
}

Nanos Simulation::Next() const {
  Nanos next = network_.Next();
  if (!events_.empty()) next = std::min(next, events_.begin()->first);
  for (const auto& host : hosts_) next = std::min(next, host->Next());
  return next;
}

bool Simulation::Step() {
  const Nanos next = Next();
  if (next == kNever) return false;
  now_ = std::max(now_, next);
  network_.Advance(now_);
  while (!events_.empty() && events_.begin()->first <= now_) {
    const auto event = events_.extract(events_.begin());
    event.mapped()();
  }
  for (const auto& host : hosts_) {
    if (host->Next() <= now_) host->Run(now_);
  }
  return true;
}

bool Simulation::RunUntil(Nanos limit, const std::function<bool()>& done) {
  for (std::uint64_t step = 0; !done(); ++step) {
    if (Next() > limit) {
      now_ = std::max(now_, limit);
      network_.Advance(now_);
      return done();
    }
    if (step == kMostSteps) return false;
    Step();
  }
  return true;
}

void Simulation::WriteTrace(const std::string& line) {
  const Nanos since = now_ - 1000 * kSecond;
  *trace_ << std::setw(10) << since / kMicrosecond << '.' << std::setw(3)
          << std::setfill('0') << since % kMicrosecond << std::setfill(' ')
          << " us  " << line << '\n';
}

}  // namespace lauberhorn::nic::testing
