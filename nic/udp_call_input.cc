// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "nic/packet.h"
#include "nic/packet_info.h"
#include "nic/udp_input.h"

namespace lauberhorn::nic {
namespace {

class CallInput final : public UdpInput {
 public:
  CallInput(int socket, UdpErrors* errors) : socket_(socket), errors_(errors) {
    for (std::size_t at = 0; at < Wire::kBatch; ++at) {
      Slot& slot = slots_[at];
      slot.part = {slot.bytes, sizeof(slot.bytes)};
      headers_[at] = {};
      headers_[at].msg_hdr.msg_name = &slot.from;
      headers_[at].msg_hdr.msg_control = slot.info.bytes;
      headers_[at].msg_hdr.msg_iov = &slot.part;
      headers_[at].msg_hdr.msg_iovlen = 1;
    }
  }

  absl::Span<const Datagram> Receive() override {
    if (std::exchange(rest_, false)) return {};
    const std::size_t count = expect_more_ ? ReceiveMany() : ReceiveOne();
    expect_more_ = count > 0;
    rest_ = count > 0 && count < Wire::kBatch;
    for (std::size_t at = 0; at < count; ++at) {
      const Slot& slot = slots_[at];
      batch_[at] = {{slot.bytes, headers_[at].msg_len},
                    Address::FromSockaddr(slot.from)};
      ReadPacketInfo(headers_[at].msg_hdr, &batch_[at].from);
    }
    return {batch_, count};
  }

  int descriptor() const override { return socket_; }
  std::uint64_t system_calls() const override { return system_calls_; }

 private:
  struct Slot {
    sockaddr_storage from;
    iovec part;
    PacketInfo info;
    // One byte more than a packet has: that one is too large shows.
    std::uint8_t bytes[LH_PACKET_MAX + 1];
  };

  // The kernel writes over it how much it has used.
  static void SetRoom(msghdr& header) {
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_controllen = sizeof(PacketInfo);
  }

  // Both return how many packets came.
  std::size_t ReceiveOne() {
    msghdr& header = headers_[0].msg_hdr;
    const ssize_t size = Retried([&] {
      SetRoom(header);
      return recvmsg(socket_, &header, MSG_DONTWAIT);
    });
    if (size < 0) return 0;
    headers_[0].msg_len = static_cast<unsigned>(size);
    return 1;
  }

  std::size_t ReceiveMany() {
    const ssize_t count = Retried([&]() -> ssize_t {
      for (mmsghdr& header : headers_) SetRoom(header.msg_hdr);
      return recvmmsg(socket_, headers_, Wire::kBatch, MSG_DONTWAIT, nullptr);
    });
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }

  // An error of an earlier send (say, a port that nobody listens on) is
  // reported here once and means nothing for what comes next.
  template <typename Call>
  ssize_t Retried(Call call) {
    for (int tries = 0;; ++tries) {
      ++system_calls_;
      const ssize_t result = call();
      if (result >= 0 || errno == EAGAIN) return result;
      const bool passing = errno == EINTR || errno == ECONNREFUSED ||
                           errno == EHOSTUNREACH || errno == ENETUNREACH;
      const bool collected = errors_ != nullptr && errors_->Collect();
      if (tries == kTries || (!passing && !collected)) return result;
    }
  }

  // What is not read then wakes the thread again.
  static constexpr int kTries = 8;

  const int socket_;
  UdpErrors* const errors_;
  bool expect_more_ = false;
  bool rest_ = false;  // the next look is left out
  std::uint64_t system_calls_ = 0;
  Datagram batch_[Wire::kBatch];
  mmsghdr headers_[Wire::kBatch];  // of each of slots_
  Slot slots_[Wire::kBatch];
};

}  // namespace

std::unique_ptr<UdpInput> MakeCallInput(int socket, UdpErrors* errors) {
  return std::make_unique<CallInput>(socket, errors);
}

}  // namespace lauberhorn::nic
