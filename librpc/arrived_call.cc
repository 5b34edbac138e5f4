// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/arrived_call.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "librpc/device_time.h"
#include "librpc/target.h"

namespace lauberhorn {
namespace {

constexpr absl::string_view kCancelledText = "the server cancelled the call";

// Without the word, which the NIC may still try to take back.
lh_message HeaderOf(const lh_line* line) {
  lh_message header = {};
  constexpr std::size_t kAfterWord = sizeof(header.word);
  std::memcpy(reinterpret_cast<std::uint8_t*>(&header) + kAfterWord,
              reinterpret_cast<const std::uint8_t*>(&line->header) + kAfterWord,
              sizeof(header) - kAfterWord);
  return header;
}

}  // namespace

ArrivedCall::ArrivedCall(Endpoint& endpoint, EndpointPool& endpoints,
                         const Attachment& attachment, std::uint32_t slot,
                         const lh_line* line)
    : endpoint_(endpoint),
      endpoints_(endpoints),
      attachment_(attachment),
      header_(HeaderOf(line)) {
  endpoint.serving_call = header_.call;
  const std::size_t length = std::min<std::size_t>(header_.length, kMaxMessage);
  absl::Span<const std::uint8_t> message = {line->payload, length};
  if (length > LH_INLINE_SIZE) {
    ReadPayload(endpoint.serve().in, slot, line,
                {endpoint.request_buffer(), length});
    message = {endpoint.request_buffer(), length};
  }
  good_ = SplitMessage(header_.flags, message, &body_);
}

absl::Time ArrivedCall::deadline() const {
  return FromDeviceDeadline(header_.deadline);
}

bool ArrivedCall::IsCancelled() const {
  if (attachment_.IsLost()) return true;
  const lh_process_layout& process = *attachment_.process;
  const std::uint64_t index = lh_handle_index(header_.call);
  // The NIC's word is not taken for it.
  if (index >= std::uint64_t{process.call_first} + process.call_count) {
    return false;
  }
  auto* const words = attachment_.At<lh_call_word>(process.call_words);
  const __u64 word = lh_load_acquire(&words[index].word);
  return lh_handle_generation(word) == lh_handle_generation(header_.call) &&
         lh_handle_index(word) != 0;
}

void ArrivedCall::Cancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  endpoints_.Cancel(header_.call);
}

absl::StatusOr<PeerAddress> ArrivedCall::peer() const {
  const absl::StatusOr<ServerAddress> address = endpoints_.PeerOf(header_.call);
  if (!address.ok()) return address.status();
  return ToPeerAddress(*address);
}

std::uint8_t* ArrivedCall::ReserveReply(
    std::size_t size, absl::Span<const std::uint8_t> metadata) {
  if (answered_) return nullptr;
  if (!FitsMessage(size, metadata)) {
    const absl::Status status = TooLarge("reply", size, metadata);
    Fail(status.code(), status.message());
    return nullptr;
  }
  // Not the line itself: a call of the handler's own may still want that.
  reserved_ = true;
  reply_size_ = MetadataRoom(metadata) + size;
  reply_flags_ = MetadataFlag(metadata);
  return WriteMetadata(metadata, endpoint_.reply_buffer());
}

void ArrivedCall::Reply() {
  if (answered_ || !reserved_) return;
  Put(0, reply_flags_, {endpoint_.reply_buffer(), reply_size_});
}

void ArrivedCall::Fail(absl::StatusCode code, absl::string_view message,
                       absl::Span<const std::uint8_t> metadata) {
  if (answered_) return;
  if (!FitsMessage(0, metadata)) {
    const absl::Status status = TooLarge("error", message.size(), metadata);
    return Fail(status.code(),
                absl::StrCat(status.message(), "; it was: ", message));
  }
  if (code < absl::StatusCode::kCancelled ||
      code > absl::StatusCode::kUnauthenticated) {
    code = absl::StatusCode::kUnknown;  // OK is no failure; others do not exist
  }
  absl::Span<const std::uint8_t> payload = {
      reinterpret_cast<const std::uint8_t*>(message.data()),
      std::min(message.size(), kMaxMessage - MetadataRoom(metadata))};
  if (!metadata.empty()) {
    std::uint8_t* const text =
        WriteMetadata(metadata, endpoint_.reply_buffer());
    if (!payload.empty()) std::memcpy(text, payload.data(), payload.size());
    payload = {endpoint_.reply_buffer(),
               MetadataRoom(metadata) + payload.size()};
  }
  Put(static_cast<std::uint64_t>(code), MetadataFlag(metadata), payload);
}

void ArrivedCall::Put(std::uint64_t status, std::uint8_t flags,
                      absl::Span<const std::uint8_t> payload) {
  // It travels in another lane than the CANCEL, which it may overtake.
  if (cancelled_.load(std::memory_order_relaxed)) {
    status = static_cast<std::uint64_t>(absl::StatusCode::kCancelled);
    flags = 0;
    payload = {reinterpret_cast<const std::uint8_t*>(kCancelledText.data()),
               kCancelledText.size()};
  }
  lh_lane& out = endpoint_.serve().out;
  lh_line* const line = endpoint_.PutBegin(endpoint_.serve());
  WritePayload(out, out.position, line, payload);
  lh_message& header = line->header;
  header.call = header_.call;
  header.code = status;
  header.data = 0;
  header.deadline = 0;
  header.length = static_cast<__u32>(payload.size());
  header.kind = LH_KIND_REPLY;
  header.flags = flags;
  header.aux = 0;
  answered_ = true;
  endpoint_.serving_call = 0;
  endpoint_.Put(endpoint_.serve(), line);
}

}  // namespace lauberhorn
