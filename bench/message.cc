// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
#include "bench/message.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace lauberhorn::bench {

Message Message::Bytes(std::size_t count) {
  Message message;
  message.payload_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    message.payload_[i] = static_cast<char>('a' + i % 26);
  }
  return message;
}

Message Message::Record() {
  Message message;
  message.is_record_ = true;
  return message;
}

std::string Message::name() const {
  return is_record_ ? "10 fields" : absl::StrCat(payload_.size(), " B");
}

void Message::Fill(::bench::EchoMessage* message) const {
  if (!is_record_) {
    message->set_payload(payload_);
    return;
  }
  ::bench::Record& record = *message->mutable_record();
  record.set_id(kId);
  record.set_name(kName);
  record.set_mail(kMail);
  record.set_age(kAge);
  record.set_balance(kBalance);
  record.set_active(kActive);
  record.set_created(kCreated);
  record.set_offset(kOffset);
  record.set_digest(kDigest);
  record.set_flags(kFlags);
}

bool Message::Is(const ::bench::EchoMessage& message) const {
  if (!is_record_) return message.payload() == payload_;
  const ::bench::Record& record = message.record();
  return record.id() == kId && record.name() == kName &&
         record.mail() == kMail && record.age() == kAge &&
         record.balance() == kBalance && record.active() == kActive &&
         record.created() == kCreated && record.offset() == kOffset &&
         record.digest() == kDigest && record.flags() == kFlags;
}

std::size_t Message::Write(std::uint8_t* to) const {
  if (!is_record_) {
    std::memcpy(to, payload_.data(), payload_.size());
    return payload_.size();
  }
  ::bench::EchoMessage message;
  Fill(&message);
  const std::size_t size = message.ByteSizeLong();
  message.SerializeWithCachedSizesToArray(to);
  return size;
}

bool Message::IsIn(absl::Span<const std::uint8_t> bytes) const {
  if (!is_record_) {
    return bytes.size() == payload_.size() &&
           std::memcmp(bytes.data(), payload_.data(), bytes.size()) == 0;
  }
  ::bench::EchoMessage message;
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         Is(message);
}

std::size_t Message::Echo(absl::Span<const std::uint8_t> request,
                          std::uint8_t* to) const {
  if (!is_record_) {
    std::memcpy(to, request.data(), request.size());
    return request.size();
  }
  ::bench::EchoMessage message;
  if (!message.ParseFromArray(request.data(),
                              static_cast<int>(request.size()))) {
    return 0;
  }
  const ::bench::EchoMessage reply = message;  // as a handler's, one of its own
  const std::size_t size = reply.ByteSizeLong();
  reply.SerializeWithCachedSizesToArray(to);
  return size;
}

}  // namespace lauberhorn::bench
