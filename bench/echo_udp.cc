// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/echo_peers.h"

namespace lauberhorn::bench {
namespace {

constexpr std::size_t kMost = Message::kMostBytes;
constexpr std::size_t kWindow = 128;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A datagram of a call's number and the message.
class Datagram {
 public:
  explicit Datagram(sockaddr_in* peer) {
    message_.msg_name = peer;
    message_.msg_namelen = peer == nullptr ? 0 : sizeof(*peer);
    message_.msg_iov = parts_;
    message_.msg_iovlen = 2;
  }

  // False if that failed, or it is too short.
  bool Receive(int descriptor) {
    parts_[1].iov_len = kMost;
    const ssize_t size = recvmsg(descriptor, &message_, 0);
    if (size < static_cast<ssize_t>(sizeof(number))) return false;
    bytes_ = static_cast<std::size_t>(size) - sizeof(number);
    return true;
  }
  bool Send(int descriptor, std::size_t size) {
    parts_[1].iov_len = size;
    return sendmsg(descriptor, &message_, 0) >= 0;
  }

  absl::Span<const std::uint8_t> received() const { return {buffer, bytes_}; }

  std::uint32_t number = 0;
  std::uint8_t buffer[kMost];

 private:
  std::size_t bytes_ = 0;
  iovec parts_[2] = {{&number, sizeof(number)}, {buffer, kMost}};
  msghdr message_ = {};
};

void EchoForever(int descriptor, const Message& message) {
  sockaddr_in peer;
  Datagram request(&peer);
  Datagram reply(&peer);
  for (;;) {
    if (!request.Receive(descriptor)) continue;
    reply.number = request.number;
    (void)reply.Send(descriptor,
                     message.Echo(request.received(), reply.buffer));
  }
}

class UdpClient final : public EchoClient {
 public:
  UdpClient(int descriptor, const Message& message)
      : descriptor_(descriptor), message_(message) {}
  ~UdpClient() override { close(descriptor_); }

  absl::Status Start(std::size_t number) override {
    request_.number = static_cast<std::uint32_t>(number);
    if (!request_.Send(descriptor_, message_.Write(request_.buffer))) {
      return Failed("sendmsg");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::size_t> Finish() override {
    if (!reply_.Receive(descriptor_)) return Failed("recvmsg");
    if (reply_.number >= kWindow || !message_.IsIn(reply_.received())) {
      return WrongReply();
    }
    return reply_.number;
  }

 private:
  static absl::Status Failed(const char* what) {
    return absl::UnavailableError(
        absl::StrCat("UDP, ", what, ": ", std::strerror(errno)));
  }

  const int descriptor_;
  const Message& message_;
  Datagram request_{nullptr};
  Datagram reply_{nullptr};
};

class UdpPeer final : public Peer {
 public:
  explicit UdpPeer(const Message& message) : message_(message) {}

  int Serve(const ForkedServer::UntilStopped& until_stopped) override {
    const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    if (descriptor < 0 ||
        bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) !=
            0) {
      return 1;
    }
    std::thread([this, descriptor] {
      pthread_setname_np(pthread_self(), "echo");
      EchoForever(descriptor, message_);
    }).detach();  // ends with the process
    until_stopped(ntohs(address.sin_port));
    return 0;
  }

  EchoClientOr Connect(int port) override {
    const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    if (descriptor < 0) return absl::ResourceExhaustedError("no socket");
    auto client = std::make_unique<UdpClient>(descriptor, message_);
    const sockaddr_in address = Loopback(port);
    const timeval limit = {5, 0};
    if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit,
                   sizeof(limit)) != 0) {
      return absl::UnavailableError("cannot connect a UDP socket");
    }
    return client;
  }

 private:
  const Message message_;
};

}  // namespace

std::unique_ptr<Peer> MakeUdp(const Message& message) {
  return std::make_unique<UdpPeer>(message);
}

}  // namespace lauberhorn::bench
