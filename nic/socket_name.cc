// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/socket_name.h"

#include <cstddef>
#include <cstring>

#include "abi/host/control.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace lauberhorn::nic {

static_assert(LH_SOCKET_NAME_MAX == sizeof(sockaddr_un::sun_path) - 1);

absl::StatusOr<SocketName> SocketName::From(absl::string_view bytes) {
  const bool is_abstract = !bytes.empty() && bytes.front() == '\0';
  if (bytes.size() <= (is_abstract ? 1 : 0)) {
    return absl::InvalidArgumentError("a socket's name is empty");
  }
  if (bytes.size() > LH_SOCKET_NAME_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name of a socket has at most ", LH_SOCKET_NAME_MAX,
        " bytes, this one ", bytes.size(), ": ", absl::CHexEscape(bytes)));
  }
  if (!is_abstract && bytes.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a zero byte in the path of a socket: ", absl::CHexEscape(bytes)));
  }
  return SocketName(bytes);
}

socklen_t SocketName::ToSockaddr(sockaddr_un* to) const {
  *to = {};
  to->sun_family = AF_UNIX;
  std::memcpy(to->sun_path, bytes_.data(), bytes_.size());
  // An abstract name has no end but its size; a path is followed by a zero.
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                bytes_.size() + (IsAbstract() ? 0 : 1));
}

std::string SocketName::ToString() const {
  return IsAbstract()
             ? absl::StrCat(
                   "unix-abstract:",
                   absl::CHexEscape(absl::string_view(bytes_).substr(1)))
             : absl::StrCat("unix:", absl::CHexEscape(bytes_));
}

}  // namespace lauberhorn::nic
