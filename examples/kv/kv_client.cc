// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Sets and reads values of a key-value server, and exits with the number of the
// status. The same source builds against this library and against gRPC's.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "kv.grpc.pb.h"
#include "options.h"

namespace {

// The names of the codes, for people.
const char* NameOf(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  return code >= 0 && code <= 16 ? kNames[code] : "a code that there is not";
}

// One command: one call, or as many as a scan has pages, until one deadline.
class Client {
 public:
  explicit Client(const ClientOptions& options)
      : options_(options),
        stub_(kv::KeyValue::NewStub(grpc::CreateChannel(
            options.target, grpc::InsecureChannelCredentials()))) {
    if (options.deadline_ms > 0) {
      deadline_ = std::chrono::system_clock::now() +
                  std::chrono::milliseconds(options.deadline_ms);
    }
  }

  grpc::Status Put() {
    kv::PutRequest request;
    request.set_key(options_.key);
    request.set_value(options_.value);
    if (options_.expected_version.has_value()) {
      request.set_expected_version(*options_.expected_version);
    }
    kv::PutReply reply;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = stub_->Put(&context, request, &reply);
    if (status.ok()) std::cout << "version " << reply.version() << "\n";
    return status;
  }

  grpc::Status Get() {
    kv::GetRequest request;
    request.set_key(options_.key);
    kv::GetReply reply;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = stub_->Get(&context, request, &reply);
    if (!status.ok()) return status;
    if (options_.versions) std::cout << reply.version() << "\t";
    std::cout << reply.value() << "\n";
    return status;
  }

  // Prints each page as it comes: what was printed before an error is true.
  grpc::Status Scan() {
    kv::ScanRequest request;
    request.set_prefix(options_.prefix);
    request.set_limit(options_.limit);
    while (true) {
      kv::ScanReply reply;
      grpc::ClientContext context;
      SetDeadline(&context);
      const grpc::Status status = stub_->Scan(&context, request, &reply);
      if (!status.ok()) return status;
      for (const kv::Entry& entry : reply.entries()) {
        std::cout << entry.key() << "\t";
        if (options_.versions) std::cout << entry.version() << "\t";
        std::cout << entry.value() << "\n";
      }
      std::cout.flush();
      const auto count = static_cast<std::uint32_t>(reply.entries_size());
      const bool enough = options_.limit > 0 && count >= request.limit();
      if (!reply.more() || enough || count == 0) return status;
      if (options_.limit > 0) request.set_limit(request.limit() - count);
      request.set_continue_after(reply.entries(reply.entries_size() - 1).key());
    }
  }

 private:
  void SetDeadline(grpc::ClientContext* context) const {
    if (deadline_.has_value()) context->set_deadline(*deadline_);
  }

  const ClientOptions& options_;
  const std::unique_ptr<kv::KeyValue::Stub> stub_;
  std::optional<std::chrono::system_clock::time_point> deadline_;
};

grpc::Status Run(const ClientOptions& options) {
  Client client(options);
  switch (options.command) {
    case ClientOptions::Command::kPut:
      return client.Put();
    case ClientOptions::Command::kGet:
      return client.Get();
    case ClientOptions::Command::kScan:
      return client.Scan();
  }
  return grpc::Status(grpc::StatusCode::INTERNAL,
                      "a command that there is not");
}

}  // namespace

int main(int argc, char** argv) {
  const ClientOptions options = ParseClientOptions(argc, argv);
  const grpc::Status status = Run(options);
  std::cout.flush();
  if (!status.ok()) {
    std::cerr << "kv_client: " << options.target << ": "
              << NameOf(status.error_code()) << ": " << status.error_message()
              << "\n";
  }
  return static_cast<int>(status.error_code());
}
