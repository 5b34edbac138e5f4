// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/impl/message_limits.h
//
// The largest messages that a channel or a server sends and takes, as programs
// limit them; a packet limits them anyway.
//
//   if (limits.send.Excludes(size)) return limits.send.Error("Sent", size);
//
// Thread-safety: values. Blocking: never. Allocation: only for an error.
#ifndef GRPCPP_IMPL_MESSAGE_LIMITS_H_
#define GRPCPP_IMPL_MESSAGE_LIMITS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {

class MessageLimit {
 public:
  // Bytes; negative: none.
  void set(int most) { most_ = most; }

  bool Excludes(std::size_t size) const {
    return most_ >= 0 && size > static_cast<std::size_t>(most_);
  }

  bool is_set() const { return most_ >= 0; }

  // RESOURCE_EXHAUSTED, in gRPC's words: what was "Sent" or "Received".
  absl::Status Error(absl::string_view what, std::size_t size) const;

 private:
  int most_ = -1;
};

struct MessageLimits {
  MessageLimit send;
  MessageLimit receive;
};

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_IMPL_MESSAGE_LIMITS_H_
