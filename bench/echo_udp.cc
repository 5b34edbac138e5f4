// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
// Datagrams and nothing else.

#include <netinet/in.h>
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

constexpr std::size_t kMost = 1500;

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

msghdr Message(sockaddr_in* peer, iovec* bytes) {
  msghdr message = {};
  message.msg_name = peer;
  message.msg_namelen = peer == nullptr ? 0 : sizeof(*peer);
  message.msg_iov = bytes;
  message.msg_iovlen = 1;
  return message;
}

void EchoForever(int descriptor) {
  char buffer[kMost];
  for (;;) {
    sockaddr_in peer;
    iovec bytes = {buffer, sizeof(buffer)};
    msghdr message = Message(&peer, &bytes);
    const ssize_t size = recvmsg(descriptor, &message, 0);
    if (size < 0) continue;
    bytes.iov_len = static_cast<std::size_t>(size);
    (void)sendmsg(descriptor, &message, 0);
  }
}

class UdpClient final : public EchoClient {
 public:
  explicit UdpClient(int descriptor) : descriptor_(descriptor) {}
  ~UdpClient() override { close(descriptor_); }

  absl::Status Echo(const std::string& payload) override {
    iovec bytes = {const_cast<char*>(payload.data()), payload.size()};
    const msghdr request = Message(nullptr, &bytes);
    if (sendmsg(descriptor_, &request, 0) < 0) return Failed("sendmsg");
    char buffer[kMost];
    iovec space = {buffer, sizeof(buffer)};
    msghdr reply = Message(nullptr, &space);
    const ssize_t size = recvmsg(descriptor_, &reply, 0);
    if (size < 0) return Failed("recvmsg");
    if (payload.compare(0, payload.npos, buffer,
                        static_cast<std::size_t>(size)) != 0) {
      return absl::InternalError("the reply is not the request");
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Failed(const char* what) {
    return absl::UnavailableError(
        absl::StrCat("UDP, ", what, ": ", std::strerror(errno)));
  }

  const int descriptor_;
};

}  // namespace

int ServeUdp(const ForkedServer::UntilStopped& until_stopped) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (descriptor < 0 ||
      bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) !=
          0) {
    return 1;
  }
  std::thread(EchoForever, descriptor).detach();  // ends with the process
  until_stopped(ntohs(address.sin_port));
  return 0;
}

EchoClientOr ConnectUdp(int port) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  if (descriptor < 0) return absl::ResourceExhaustedError("no socket");
  auto client = std::make_unique<UdpClient>(descriptor);
  const sockaddr_in address = Loopback(port);
  const timeval limit = {5, 0};
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0 ||
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) !=
          0) {
    return absl::UnavailableError("cannot connect a UDP socket");
  }
  return client;
}

}  // namespace lauberhorn::bench
