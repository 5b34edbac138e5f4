// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/status_code_enum.h
//
// How a call ended: the codes of gRPC, which travel as these numbers.
//
//   if (status.error_code() == grpc::StatusCode::UNAVAILABLE) TryLater();
//
// Thread-safety, blocking, ownership: values.
#ifndef GRPCPP_SUPPORT_STATUS_CODE_ENUM_H_
#define GRPCPP_SUPPORT_STATUS_CODE_ENUM_H_

namespace grpc {
inline namespace lh_v1 {

enum StatusCode {
  OK = 0,
  // Ended by its caller.
  CANCELLED = 1,
  // An error of which nothing more is known; also: the handler threw.
  UNKNOWN = 2,
  // What was asked for is wrong, whatever the state of the server.
  INVALID_ARGUMENT = 3,
  // The time was up before the reply came. The call may have run.
  DEADLINE_EXCEEDED = 4,
  NOT_FOUND = 5,
  ALREADY_EXISTS = 6,
  // Known who asks, and that is not for them.
  PERMISSION_DENIED = 7,
  // Not known who asks.
  UNAUTHENTICATED = 16,
  // A quota, memory, threads, or the size of a message.
  RESOURCE_EXHAUSTED = 8,
  // The system is not in the state that this needs; do not just try again.
  FAILED_PRECONDITION = 9,
  // Lost against something concurrent; try the whole transaction again.
  ABORTED = 10,
  OUT_OF_RANGE = 11,
  // The server does not have the method.
  UNIMPLEMENTED = 12,
  // Something that must hold does not.
  INTERNAL = 13,
  // The server cannot be reached, now. A call that had begun may have run.
  UNAVAILABLE = 14,
  DATA_LOSS = 15,
  // Makes compilers ask for a default label.
  DO_NOT_USE = -1
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_STATUS_CODE_ENUM_H_
