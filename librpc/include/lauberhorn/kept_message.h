// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/kept_message.h
//
// A message for a handler that keeps its memory: the thread's next call of this
// kind parses into the same strings, so that it need not allocate.
//
//   void SayHelloThunk(void* service, lauberhorn::ServerCall& call) {
//     lauberhorn::KeptMessage<HelloRequest, SayHelloThunkTag> request;
//     if (!request->ParseFromArray(...)) ...
//     ...
//     request.Keep();
//   }
//
// Whoever knows that the message is small says Keep(); else its memory is freed
// with it, as it is after an exception. What is kept is the capacity that
// Clear() leaves, one message for each thread and kind. Under AddressSanitizer
// nothing is kept, so that a use after the call is found.
//
// Thread-safety: one thread's. Blocking: none. Allocation: if nothing was kept,
// or another of this kind is alive. Ownership: the message lives as long as
// this.
#ifndef LAUBERHORN_KEPT_MESSAGE_H_
#define LAUBERHORN_KEPT_MESSAGE_H_

#include <memory>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LAUBERHORN_FREES_MESSAGES 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LAUBERHORN_FREES_MESSAGES 1
#endif

namespace lauberhorn {

#if defined(LAUBERHORN_FREES_MESSAGES)
inline constexpr bool kKeepsMessages = false;
#else
inline constexpr bool kKeepsMessages = true;
#endif

// `Kind` is any type: a thread keeps one message for each Message and Kind.
template <class Message, class Kind = void>
class KeptMessage {
 public:
  KeptMessage() : message_(std::move(Kept())) {
    if (message_ == nullptr) message_ = std::make_unique<Message>();
  }

  ~KeptMessage() {
    if (!keep_) return;
    message_->Clear();
    Kept() = std::move(message_);
  }

  KeptMessage(const KeptMessage&) = delete;
  KeptMessage& operator=(const KeptMessage&) = delete;

  // KeptMessage::Keep()
  //
  // The memory of the message may stay with the thread.
  void Keep() { keep_ = kKeepsMessages; }

  Message& operator*() const { return *message_; }
  Message* operator->() const { return message_.get(); }
  Message* get() const { return message_.get(); }

 private:
  static std::unique_ptr<Message>& Kept() {
    thread_local std::unique_ptr<Message> kept;
    return kept;
  }

  std::unique_ptr<Message> message_;
  bool keep_ = false;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_KEPT_MESSAGE_H_
