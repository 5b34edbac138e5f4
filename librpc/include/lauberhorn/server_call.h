// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: lauberhorn/server_call.h
//
// One call that has arrived, as the thunk of its method sees it. The request
// lies in the cache line that the NIC filled, or beside it; the reply is
// written into the line that goes back.
//
//   void SayHelloThunk(void* service, lauberhorn::ServerCall& call) {
//     HelloRequest request;
//     absl::Span<const std::uint8_t> bytes = call.request();
//     if (!request.ParseFromArray(bytes.data(),
//     static_cast<int>(bytes.size())))
//       return call.Fail(absl::StatusCode::kInternal, "malformed request");
//     HelloReply reply = ...;
//     std::uint8_t* to = call.ReserveReply(reply.ByteSizeLong());
//     if (to == nullptr) return;  // too large: already answered
//     reply.SerializeWithCachedSizesToArray(to);
//     call.Reply();
//   }
//
// Thread-safety: for the worker that runs the call only, but for the functions
// that say otherwise. Blocking: only Reply(), Fail(), Cancel() and peer() may,
// for the bounded time in which the NIC empties a lane or answers. Allocation:
// none. Ownership: the call belongs to the library; request() is good until the
// thunk returns, the reserved reply until Reply() or Fail().
#ifndef LAUBERHORN_SERVER_CALL_H_
#define LAUBERHORN_SERVER_CALL_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lauberhorn/parent_call.h"
#include "lauberhorn/peer_address.h"

namespace lauberhorn {

class ServerCall {
 public:
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;

  // ServerCall::request()
  //
  // The bytes of the request, at most a packet's.
  virtual absl::Span<const std::uint8_t> request() const = 0;

  // ServerCall::metadata()
  //
  // What came with the request. May be anything: read it with a MetadataReader
  // (lauberhorn/metadata.h). Empty if there is none; good as long as request().
  virtual absl::Span<const std::uint8_t> metadata() const = 0;

  // ServerCall::deadline()
  //
  // When the caller gives up, on this machine's clock; absl::InfiniteFuture()
  // if never.
  virtual absl::Time deadline() const = 0;

  // ServerCall::IsCancelled()
  //
  // From any thread, until the thunk returns.
  // Whether nobody waits for the reply any more: the deadline passed, the
  // caller cancelled or died, Cancel(), or the NIC is lost. A few loads of
  // words that the NIC writes.
  virtual bool IsCancelled() const = 0;

  // ServerCall::Cancel()
  //
  // Ends the call for its caller, with CANCELLED; what is answered later is
  // dropped. The call is to be answered all the same. From any thread, until
  // the thunk returns.
  virtual void Cancel() = 0;

  // ServerCall::peer()
  //
  // Where the caller is. Asks the NIC and waits for its answer, a few
  // microseconds. NOT_FOUND if the caller is gone. From any thread, until the
  // thunk answers.
  virtual absl::StatusOr<PeerAddress> peer() const = 0;

  // ServerCall::AsParent()
  //
  // The name of this call for calls that are made for it: CallOptions::parent.
  virtual ParentCall AsParent() const = 0;

  // ServerCall::ReserveReply()
  //
  // Where to write the `size` bytes of the reply. Null if they do not fit into
  // a packet: then the call has been answered with RESOURCE_EXHAUSTED.
  // `metadata` goes with them, and is copied.
  virtual std::uint8_t* ReserveReply(
      std::size_t size, absl::Span<const std::uint8_t> metadata) = 0;
  std::uint8_t* ReserveReply(std::size_t size) {
    return ReserveReply(size, {});
  }

  // ServerCall::Reply()
  //
  // Answers OK with what was written to the last reservation. After it, and
  // after Fail(), the server counts the call as ended: the thunk returns
  // without another use of its service.
  virtual void Reply() = 0;

  // ServerCall::Fail()
  //
  // Answers with an error; a `message` longer than a packet holds is cut.
  // `metadata` goes with it; if there is no room for that, the error becomes
  // RESOURCE_EXHAUSTED.
  virtual void Fail(absl::StatusCode code, absl::string_view message,
                    absl::Span<const std::uint8_t> metadata) = 0;
  void Fail(absl::StatusCode code, absl::string_view message) {
    Fail(code, message, {});
  }

 protected:
  ServerCall() = default;
  ~ServerCall() = default;
};

}  // namespace lauberhorn

#endif  // LAUBERHORN_SERVER_CALL_H_
