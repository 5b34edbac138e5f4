// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// A native library that stays inside the process: calls run on the thread that
// makes them. Linked in place of the real one, it shows what the
// gRPC-compatible API asks of it, without a NIC.
//
// Locking: the table of ports has a mutex. The buffers of a call are its
// thread's.
#ifndef LIBRPC_COMPAT_TESTING_FAKE_CORE_H_
#define LIBRPC_COMPAT_TESTING_FAKE_CORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lauberhorn/client.h"
#include "lauberhorn/server_call.h"

namespace lauberhorn::testing {

// The largest message that fits into a packet.
constexpr std::size_t kLargestMessage = 1024;

// A call without a NIC. Keeps how it was answered.
class FakeServerCall final : public ServerCall {
 public:
  explicit FakeServerCall(absl::Span<const std::uint8_t> request)
      : request_(request) {}
  explicit FakeServerCall(absl::string_view request)
      : request_(reinterpret_cast<const std::uint8_t*>(request.data()),
                 request.size()) {}

  absl::Span<const std::uint8_t> request() const override { return request_; }
  absl::Span<const std::uint8_t> metadata() const override { return metadata_; }
  absl::Time deadline() const override { return deadline_; }
  bool IsCancelled() const override { return is_cancelled_; }
  void Cancel() override { is_cancelled_ = true; }
  absl::StatusOr<PeerAddress> peer() const override { return peer_; }
  lauberhorn::ParentCall AsParent() const override { return {this, 1, 2}; }
  using ServerCall::ReserveReply;
  std::uint8_t* ReserveReply(std::size_t size,
                             absl::Span<const std::uint8_t> metadata) override;
  void Reply() override;
  using ServerCall::Fail;
  void Fail(absl::StatusCode code, absl::string_view message,
            absl::Span<const std::uint8_t> metadata) override;

  void set_deadline(absl::Time deadline) { deadline_ = deadline; }
  void set_peer(absl::StatusOr<PeerAddress> peer) { peer_ = std::move(peer); }
  void set_cancelled(bool is_cancelled) { is_cancelled_ = is_cancelled; }
  void set_metadata(absl::Span<const std::uint8_t> metadata) {
    metadata_ = metadata;
  }

  // How often the call was answered; must end as 1.
  int answers() const { return answers_; }
  const absl::Status& status() const { return status_; }
  absl::Span<const std::uint8_t> reply() const {
    return absl::MakeSpan(buffer_.data(), size_);
  }
  // What came with the reply or the error.
  absl::Span<const std::uint8_t> reply_metadata() const {
    return absl::MakeSpan(reply_metadata_.data(), reply_metadata_size_);
  }
  std::string reply_text() const {
    return std::string(buffer_.begin(), buffer_.begin() + size_);
  }

 private:
  absl::Span<const std::uint8_t> request_;
  absl::Span<const std::uint8_t> metadata_;
  absl::Time deadline_ = absl::InfiniteFuture();
  absl::StatusOr<PeerAddress> peer_ = PeerAddress();
  bool is_cancelled_ = false;
  int answers_ = 0;
  absl::Status status_;
  std::size_t size_ = 0;
  std::array<std::uint8_t, kLargestMessage> buffer_;
  std::size_t reply_metadata_size_ = 0;
  std::array<std::uint8_t, kLargestMessage> reply_metadata_;
};

// What the fake does and what was asked of it.
struct FakeCore {
  // Answers to the next calls of Client::Connect(), before it succeeds.
  std::vector<absl::Status> connect_errors;
  // What the next replies are replaced by, if not empty.
  std::string reply_instead;
  // What the metadata of the next replies is replaced by, if not empty.
  std::string reply_metadata_instead;
  // How often a client was made, and the options of the last call.
  int connects = 0;
  CallOptions last_options;

  static FakeCore& Get();
  // As it was in the beginning.
  static void Reset() { Get() = FakeCore(); }
};

}  // namespace lauberhorn::testing

#endif  // LIBRPC_COMPAT_TESTING_FAKE_CORE_H_
