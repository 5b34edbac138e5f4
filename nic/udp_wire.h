// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/udp_wire.h
//
// The wire over UDP sockets. Packets are sent in batches, at Flush(): one by
// sendmsg, more by sendmmsg. How they are received: nic/udp_input.h.
//
// System calls are the default for input. Measured with udp_wire_benchmark
// (Linux 6.18, 64 bytes over the loopback device, CPU time of a round trip with
// both ends): a packet at a time, there is no clear winner (9.2 us by system
// calls and 10.2 us with a ring where both ends spin; 11.9 and 11.0 us where
// they sleep); 32 at a time, both take 213 us. The machine was busy: a tenth is
// within the noise, and sleepers won in turns. So a ring is no reason to depend
// on what many containers refuse. It has one advantage: looking where nothing
// is takes 7 ns instead of 520 ns, which is for an engine that spins.
#ifndef LAUBERHORN_NIC_UDP_WIRE_H_
#define LAUBERHORN_NIC_UDP_WIRE_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "nic/packet.h"
#include "nic/packet_info.h"
#include "nic/udp_errors.h"
#include "nic/udp_input.h"
#include "nic/wire.h"

namespace lauberhorn::nic {

class UdpWire final : public Wire {
 public:
  // How it receives; why the default is what it is says the top of this file.
  enum class Input { kSystemCalls, kRing };
  static constexpr Input kDefaultInput = Input::kSystemCalls;

  // A non-blocking socket bound to `address`. Errors as WireFactory::Listen().
  // Where the system does not allow a ring, it receives by system calls.
  static absl::StatusOr<std::unique_ptr<UdpWire>> Bind(
      const Address& address, Input input = kDefaultInput);

  // A non-blocking socket on any port that reaches IPv6 and IPv4, or only IPv4
  // where this host has no IPv6. By system calls it hears of what is
  // unreachable.
  static absl::StatusOr<std::unique_ptr<UdpWire>> Open(
      Input input = kDefaultInput);

  ~UdpWire() override;
  UdpWire(const UdpWire&) = delete;
  UdpWire& operator=(const UdpWire&) = delete;

  absl::Span<const Datagram> Receive() override { return input_->Receive(); }
  void Send(const Address& to, absl::Span<const std::uint8_t> packet) override;
  void Flush() override {
    if (kept_count_ > 0) SendAllKept();
  }
  absl::Span<const Address> Unreachable() override {
    if (errors_ == nullptr) return {};
    return errors_->Take();
  }
  Address local() const override { return local_; }

  // How it receives indeed.
  Input input() const { return kind_; }

  // To sleep on: readable when Receive() may have something. Not before it has
  // said that nothing is there.
  int descriptor() const { return input_->descriptor(); }

  // Made by this wire so far.
  std::uint64_t system_calls() const {
    return system_calls_ + input_->system_calls() +
           (errors_ == nullptr ? 0 : errors_->system_calls());
  }

 private:
  // A packet that was not sent yet.
  struct Kept {
    sockaddr_storage to;
    iovec part;
    PacketInfo info;
    std::uint8_t bytes[LH_PACKET_MAX];
  };

  UdpWire(int socket, int family);

  static absl::StatusOr<std::unique_ptr<UdpWire>> BindAny(
      const Address& address, Input input, bool errors);
  static absl::StatusOr<std::unique_ptr<UdpWire>> BindFamily(
      const Address& address, int family, Input input, bool errors);
  void SendAllKept();
  // Sends at least the first of these packets; how many are done.
  std::size_t SendKept(std::size_t from, std::size_t count);

  const int socket_;
  const int family_;  // AF_INET or AF_INET6
  Address local_;
  Input kind_ = Input::kSystemCalls;
  std::unique_ptr<UdpErrors> errors_;  // or null
  std::unique_ptr<UdpInput> input_;
  std::uint64_t system_calls_ = 0;
  std::size_t kept_count_ = 0;
  mmsghdr headers_[kBatch];  // of each of kept_
  Kept kept_[kBatch];
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_UDP_WIRE_H_
