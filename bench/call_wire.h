// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// File: bench/call_wire.h
//
// A wire in memory, with a client at its other end: packets of calls that were
// made before, handed to the engine as fast as the window allows; replies,
// taken and checked. So the engine is measured without sockets, and the client
// costs next to nothing while time is taken. As between all ends that share
// memory, packets have no checksum.
//
// The calls of a window are answered in their order, as one worker does it.
// Anything unexpected ends the program: what is measured would not be true.
//
// Thread-safety: for the thread that polls the engine.
#ifndef LAUBERHORN_BENCH_CALL_WIRE_H_
#define LAUBERHORN_BENCH_CALL_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "nic/packet.h"
#include "nic/server_transport.h"
#include "nic/wire.h"

namespace lauberhorn::bench {

class CallWire final : public nic::Wire {
 public:
  static constexpr std::size_t kMaxRequest = 64;
  // Both ends are in one memory.
  static constexpr auto kChecksum = nic::Checksum::kNone;

  // Asks for a session; it is open when the engine has been polled a few times.
  void Open();
  bool is_open() const { return token_ != 0; }

  // Makes the packets of `count` calls, of which at most `window` (1 to the
  // slots of a session) are under way at a time. None may be under way now.
  // The request has at most kMaxRequest bytes, and the reply must be the same.
  void Prepare(std::uint64_t method, absl::Span<const std::uint8_t> request,
               std::size_t count, std::size_t window);

  // Lets the engine have the next `count` of them.
  void Release(std::size_t count) { released_ += count; }

  // How many of them have been answered.
  std::size_t replied() const { return replied_; }

  absl::Span<const nic::Datagram> Receive() override;
  void Send(const nic::Address& to,
            absl::Span<const std::uint8_t> packet) override;
  void Flush() override {}
  nic::Address local() const override;
  nic::Checksum checksum(const nic::Address& /*to*/) const override {
    return kChecksum;
  }

 private:
  struct alignas(64) Packet {
    std::uint8_t bytes[sizeof(lh_packet) + kMaxRequest];
    std::size_t size;
    std::uint16_t slot;
    std::uint32_t sequence;
  };

  void PrepareOpen(std::uint8_t type, const lh_open& open);
  void OnReply(absl::Span<const std::uint8_t> packet);

  std::uint64_t token_ = 0;
  std::uint32_t sequences_[nic::kSessionSlots] = {};
  std::vector<Packet> packets_;
  nic::Datagram batch_[kBatch];
  std::size_t in_slot_[nic::kSessionSlots] = {};  // index in packets_
  std::size_t window_ = 1;
  std::size_t released_ = 0;  // of packets_; never taken back
  std::size_t received_ = 0;
  std::size_t replied_ = 0;
};

}  // namespace lauberhorn::bench

#endif  // LAUBERHORN_BENCH_CALL_WIRE_H_
