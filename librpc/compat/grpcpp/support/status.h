// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/status.h
//
// How a call ended, and why.
//
//   grpc::Status status = stub->SayHello(&context, request, &reply);
//   if (!status.ok()) std::cerr << status.error_message() << "\n";
//
// A handler answers an error with
//
//   return {grpc::StatusCode::NOT_FOUND, "nobody of that name"};
//
// Thread-safety: a value; reading it from several threads is safe. Blocking:
// never. Allocation: none for OK. Ownership: it owns its texts.
#ifndef GRPCPP_SUPPORT_STATUS_H_
#define GRPCPP_SUPPORT_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "grpcpp/support/config.h"
#include "grpcpp/support/status_code_enum.h"

namespace grpc {
inline namespace lh_v1 {

class Status {
 public:
  // Status::Status()
  //
  // OK.
  Status() = default;

  // Status::Status()
  //
  // `code` with a text for whoever reads the log of the caller.
  Status(StatusCode code, const std::string& error_message)
      : code_(code), error_message_(error_message) {}

  // Status::Status()
  //
  // Also with details in a form that programs read: any bytes, which the caller
  // gets, too.
  Status(StatusCode code, const std::string& error_message,
         const std::string& error_details)
      : code_(code),
        error_message_(error_message),
        error_details_(error_details) {}

  // Status::OK, Status::CANCELLED
  //
  // The two that need no text.
  static const Status& OK;
  static const Status& CANCELLED;

  bool ok() const { return code_ == StatusCode::OK; }
  StatusCode error_code() const { return code_; }
  std::string error_message() const { return error_message_; }
  std::string error_details() const { return error_details_; }

  // Status::IgnoreError()
  //
  // Says to readers and tools that the error is dropped on purpose.
  void IgnoreError() const {}

 private:
  StatusCode code_ = StatusCode::OK;
  std::string error_message_;
  std::string error_details_;
};

namespace internal {

// internal::ToStatus()
//
// A status of the native library as one of this API.
Status ToStatus(const absl::Status& status);

// internal::ToNativeCode()
//
// The code as the native library has it. UNKNOWN for a number that is no code.
absl::StatusCode ToNativeCode(StatusCode code);

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_STATUS_H_
