// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/testing/memory_wire.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nic/packet.h"

namespace lauberhorn::nic::testing {
namespace {

Address WithPort(const Address& address, std::uint16_t port) {
  lh_address raw = address.raw();
  raw.port = port;
  return Address(raw);
}

// "Any address" of either family.
bool IsAny(const Address& address) {
  const lh_address& raw = address.raw();
  const std::size_t host = address.IsV4() ? 12 : 0;
  return std::all_of(raw.ip + host, raw.ip + sizeof(raw.ip),
                     [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

Address TestAddress(std::uint8_t host, std::uint16_t port) {
  return Address(
      {.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, host},
       .scope = 0,
       .port = port,
       .reserved = 0});
}

class MemoryNetwork::MemoryWire final : public Wire {
 public:
  MemoryWire(MemoryNetwork& network, const Address& local)
      : network_(network), local_(local) {
    network_.wires_.emplace(local_, this);
  }
  ~MemoryWire() override { network_.wires_.erase(local_); }

  absl::Span<const Datagram> Receive() override {
    taken_.clear();
    while (!arrived_.empty() && taken_.size() < kBatch) {
      taken_.push_back(std::move(arrived_.front()));
      arrived_.pop_front();
      ++network_.totals_.received;
    }
    batch_.clear();
    for (const Packet& packet : taken_) {
      const absl::Span<const std::uint8_t> bytes = packet.bytes;
      batch_.push_back({bytes.subspan(0, LH_PACKET_MAX + 1), packet.from});
    }
    return batch_;
  }

  void Send(const Address& to, absl::Span<const std::uint8_t> packet) override {
    if (packet.size() <= LH_PACKET_MAX) network_.Send(local_, to, packet);
  }

  void Flush() override {}

  absl::Span<const Address> Unreachable() override {
    heard_.clear();
    std::swap(heard_, unreachable_);
    return heard_;
  }

  Address local() const override { return local_; }

  void Refuse(const Address& to) {
    if (unreachable_.size() < kBatch) unreachable_.push_back(to);
  }

  void Arrive(Packet packet) {
    if (packet.overtakes) {
      arrived_.push_front(std::move(packet));
    } else {
      arrived_.push_back(std::move(packet));
    }
  }

 private:
  MemoryNetwork& network_;
  const Address local_;
  std::deque<Packet> arrived_;
  std::vector<Packet> taken_;  // the last batch
  std::vector<Datagram> batch_;
  std::vector<Address> unreachable_;
  std::vector<Address> heard_;
};

class MemoryNetwork::Factory final : public WireFactory {
 public:
  Factory(MemoryNetwork& network, const Address& host)
      : network_(network), host_(WithPort(host, 0)) {}

  absl::StatusOr<std::unique_ptr<Wire>> Listen(
      const Address& address) override {
    if (!IsAny(address) && !(WithPort(address, 0) == host_)) {
      return absl::UnavailableError(
          absl::StrCat(address.ToString(), " is not of this host"));
    }
    return network_.Bind(WithPort(host_, address.port()));
  }

  absl::StatusOr<std::unique_ptr<Wire>> Open() override {
    return network_.Bind(host_);
  }

 private:
  MemoryNetwork& network_;
  const Address host_;
};

MemoryNetwork::MemoryNetwork(std::uint64_t seed) : random_(seed) {}

MemoryNetwork::~MemoryNetwork() = default;

std::unique_ptr<WireFactory> MemoryNetwork::Host(const Address& address) {
  return absl::make_unique<Factory>(*this, address);
}

absl::StatusOr<std::unique_ptr<Wire>> MemoryNetwork::Bind(Address local) {
  if (local.port() == 0) {
    std::uint16_t port = kFirstFreePort;
    while (wires_.contains(WithPort(local, port))) ++port;
    local = WithPort(local, port);
  } else if (wires_.contains(local)) {
    return absl::UnavailableError(absl::StrCat(local.ToString(), " is in use"));
  }
  return absl::make_unique<MemoryWire>(*this, local);
}

void MemoryNetwork::Advance(Nanos now) {
  now_ = now;
  Arrive();
}

void MemoryNetwork::Translate(const Address& inside, const Address& outside) {
  outside_[inside] = outside;
}

MemoryNetwork::MemoryWire* MemoryNetwork::Find(const Address& to) const {
  if (outside_.contains(to)) return nullptr;
  auto wire = wires_.find(to);
  for (const auto& [inside, outside] : outside_) {
    if (outside == to) wire = wires_.find(inside);
  }
  return wire == wires_.end() ? nullptr : wire->second;
}

void MemoryNetwork::Send(const Address& inside, const Address& to,
                         absl::Span<const std::uint8_t> bytes) {
  const auto translated = outside_.find(inside);
  Forge(translated == outside_.end() ? inside : translated->second, to, bytes);
}

void MemoryNetwork::Forge(const Address& from, const Address& to,
                          absl::Span<const std::uint8_t> bytes) {
  ++totals_.sent;
  if ((filter_ && !filter_(from, to, bytes)) || Chance(faults_.loss)) {
    ++totals_.lost;
    return;
  }
  const bool twice = Chance(faults_.duplication);
  if (twice) ++totals_.duplicated;
  for (int copy = 0; copy < (twice ? 2 : 1); ++copy) {
    Packet packet = {from, to, {bytes.begin(), bytes.end()}, false};
    if (!packet.bytes.empty() && Chance(faults_.truncation)) {
      ++totals_.truncated;
      packet.bytes.resize(Below(packet.bytes.size()));
    }
    if (!packet.bytes.empty() && Chance(faults_.corruption)) {
      ++totals_.corrupted;
      const std::uint64_t bit = Below(8 * packet.bytes.size());
      packet.bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
    if (Chance(faults_.reordering)) {
      ++totals_.reordered;
      packet.overtakes = true;
    }
    const Nanos spread = faults_.max_delay - faults_.min_delay;
    on_the_way_.emplace(now_ + faults_.min_delay + Below(spread + 1),
                        std::move(packet));
  }
  Arrive();
}

void MemoryNetwork::Arrive() {
  while (!on_the_way_.empty() && on_the_way_.begin()->first <= now_) {
    auto node = on_the_way_.extract(on_the_way_.begin());
    MemoryWire* const wire = Find(node.mapped().to);
    if (wire == nullptr) {
      ++totals_.unreachable;
      MemoryWire* const sender = Find(node.mapped().from);
      if (faults_.refusals && sender != nullptr) {
        sender->Refuse(node.mapped().to);
      }
    } else {
      wire->Arrive(std::move(node.mapped()));
      if (on_arrival_) on_arrival_(wire->local());
    }
  }
}

}  // namespace lauberhorn::nic::testing
