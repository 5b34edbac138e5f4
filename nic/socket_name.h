// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/socket_name.h
//
// The name of a Unix socket as a value: a path, or, behind a zero byte, a name
// of the abstract namespace.
#ifndef LAUBERHORN_NIC_SOCKET_NAME_H_
#define LAUBERHORN_NIC_SOCKET_NAME_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::nic {

class SocketName {
 public:
  // INVALID_ARGUMENT if there is no such name: it is empty or too long, or a
  // zero byte is in its path.
  static absl::StatusOr<SocketName> From(absl::string_view bytes);

  bool IsAbstract() const { return bytes_.front() == '\0'; }
  const std::string& bytes() const { return bytes_; }

  // Returns the size.
  socklen_t ToSockaddr(sockaddr_un* to) const;

  // "unix:/run/greeter" or "unix-abstract:greeter"; what cannot be printed is
  // escaped.
  std::string ToString() const;

  friend bool operator==(const SocketName& a, const SocketName& b) {
    return a.bytes_ == b.bytes_;
  }

 private:
  explicit SocketName(absl::string_view bytes) : bytes_(bytes) {}

  std::string bytes_;  // not empty
};

}  // namespace lauberhorn::nic

#endif  // LAUBERHORN_NIC_SOCKET_NAME_H_
