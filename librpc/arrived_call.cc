// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/arrived_call.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "librpc/device_time.h"

namespace lauberhorn {

ArrivedCall::ArrivedCall(Endpoint& endpoint, EndpointPool& endpoints,
                         const Attachment& attachment, std::uint32_t slot,
                         const lh_line* line)
    : endpoint_(endpoint),
      endpoints_(endpoints),
      attachment_(attachment),
      header_(line->header) {
  endpoint.serving_call = header_.call;
  const std::size_t length = std::min<std::size_t>(header_.length, kMaxMessage);
  if (length <= LH_INLINE_SIZE) {
    request_ = {line->payload, length};
  } else {
    ReadPayload(endpoint.serve().in, slot, line,
                {endpoint.request_buffer(), length});
    request_ = {endpoint.request_buffer(), length};
  }
}

absl::Time ArrivedCall::deadline() const {
  return FromDeviceDeadline(header_.deadline);
}

bool ArrivedCall::IsCancelled() const {
  auto* const words =
      attachment_.At<lh_call_word>(attachment_.process->call_words);
  const __u64 word =
      lh_load_acquire(&words[lh_handle_index(header_.call)].word);
  return lh_handle_generation(word) == lh_handle_generation(header_.call) &&
         lh_handle_index(word) != 0;
}

std::uint8_t* ArrivedCall::ReserveReply(std::size_t size) {
  if (answered_) return nullptr;
  if (size > kMaxMessage) {
    Fail(absl::StatusCode::kResourceExhausted,
         absl::StrCat("the reply has ", size, " bytes; a message holds ",
                      kMaxMessage));
    return nullptr;
  }
  // Not the line itself: a call of the handler's own may still want that.
  reserved_ = true;
  reply_size_ = size;
  return endpoint_.reply_buffer();
}

void ArrivedCall::Reply() {
  if (answered_ || !reserved_) return;
  Put(0, {endpoint_.reply_buffer(), reply_size_});
}

void ArrivedCall::Fail(absl::StatusCode code, absl::string_view message) {
  if (answered_) return;
  if (code < absl::StatusCode::kCancelled ||
      code > absl::StatusCode::kUnauthenticated) {
    code = absl::StatusCode::kUnknown;  // OK is no failure; others do not exist
  }
  Put(static_cast<std::uint64_t>(code),
      {reinterpret_cast<const std::uint8_t*>(message.data()),
       std::min(message.size(), kMaxMessage)});
}

void ArrivedCall::Put(std::uint64_t status,
                      absl::Span<const std::uint8_t> payload) {
  lh_lane& out = endpoint_.serve().out;
  lh_line* const line = PutBegin(out);
  WritePayload(out, out.position, line, payload);
  lh_message& header = line->header;
  header.call = header_.call;
  header.code = status;
  header.data = 0;
  header.deadline = 0;
  header.length = static_cast<__u32>(payload.size());
  header.kind = LH_KIND_REPLY;
  header.flags = 0;
  header.aux = 0;
  answered_ = true;
  endpoint_.serving_call = 0;
  endpoint_.Put(endpoint_.serve(), line);
}

}  // namespace lauberhorn
