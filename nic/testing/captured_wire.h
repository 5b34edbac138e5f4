// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/captured_wire.h
//
// A wire that nothing comes from, and that keeps what is sent for who looks at
// it. Not thread-safe.
#ifndef LAUBERHORN_NIC_TESTING_CAPTURED_WIRE_H_
#define LAUBERHORN_NIC_TESTING_CAPTURED_WIRE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/memory/memory.h"
#include "nic/wire.h"

namespace lauberhorn::nic::testing {

struct SentPacket {
  Address to;
  std::vector<std::uint8_t> bytes;
};

class CapturedWire final : public Wire {
 public:
  // Appends to `sent`, which outlives this.
  CapturedWire(const Address& local, std::vector<SentPacket>& sent)
      : local_(local), sent_(sent) {}

  absl::Span<const Datagram> Receive() override { return {}; }
  void Send(const Address& to, absl::Span<const std::uint8_t> packet) override {
    sent_.push_back({to, {packet.begin(), packet.end()}});
  }
  void Flush() override {}
  Address local() const override { return local_; }

 private:
  const Address local_;
  std::vector<SentPacket>& sent_;
};

class CapturedWireFactory final : public WireFactory {
 public:
  CapturedWireFactory(const Address& local, std::vector<SentPacket>& sent)
      : local_(local), sent_(sent) {}

  absl::StatusOr<std::unique_ptr<Wire>> Listen(const Address&) override {
    return Open();
  }
  absl::StatusOr<std::unique_ptr<Wire>> Open() override {
    return absl::make_unique<CapturedWire>(local_, sent_);
  }

 private:
  const Address local_;
  std::vector<SentPacket>& sent_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_CAPTURED_WIRE_H_
