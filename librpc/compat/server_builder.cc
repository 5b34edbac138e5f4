// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Puts servers of the gRPC-compatible API together; see
// grpcpp/server_builder.h.
#include <grpcpp/server_builder.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lauberhorn/runtime.h"
#include "librpc/compat/listening_notice.h"
#include "librpc/compat/method_gates.h"

namespace grpc {
inline namespace lh_v1 {
namespace {

// The same error, saying what was being done.
absl::Status While(const absl::Status& status, const std::string& doing) {
  return absl::Status(status.code(),
                      absl::StrCat(doing, ": ", status.message()));
}

}  // namespace

ServerBuilder& ServerBuilder::AddListeningPort(
    const std::string& address, std::shared_ptr<ServerCredentials> creds,
    int* selected_port) {
  ports_.push_back({address, std::move(creds), selected_port});
  return *this;
}

ServerBuilder& ServerBuilder::RegisterService(Service* service) {
  return RegisterService("", service);
}

ServerBuilder& ServerBuilder::RegisterService(const std::string& host,
                                              Service* service) {
  services_.push_back({host, service});
  return *this;
}

absl::Status ServerBuilder::AddServices(grpc::Server& server) const {
  const internal::MessageLimits& limits = arguments_.limits_;
  bool with_gates = limits.receive.is_set() || limits.send.is_set();
  for (const auto& [host, service] : services_) {
    if (service == nullptr) {
      return absl::InvalidArgumentError("RegisterService() was given null");
    }
    with_gates |= !host.empty();
  }
  if (with_gates) {
    server.gates_ = std::make_unique<internal::MethodGates>(limits);
  }
  for (const auto& [host, service] : services_) {
    absl::Status added =
        with_gates
            ? server.gates_->Add(host, service->methods_, service->service_)
            : server.server_->AddService(service->methods_, service->service_);
    if (!added.ok()) return added;
  }
  return with_gates ? server.gates_->AddTo(*server.server_) : absl::OkStatus();
}

absl::Status ServerBuilder::Listen(grpc::Server& server) const {
  int first_port = 0;
  for (const Port& port : ports_) {
    if (port.creds == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("the port '", port.address,
                       "' has null credentials; give AddListeningPort() "
                       "InsecureServerCredentials()"));
    }
    const absl::StatusOr<int> listening = server.server_->Listen(port.address);
    if (!listening.ok()) {
      return While(listening.status(),
                   absl::StrCat("listening at '", port.address, "'"));
    }
    // gRPC says 1 of what has no port.
    if (port.selected != nullptr) {
      *port.selected = *listening == 0 ? 1 : *listening;
    }
    if (&port == &ports_.front()) first_port = *listening;
  }
  if (!ports_.empty()) {
    internal::NoticeListening(ports_.front().address, first_port);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<grpc::Server>> ServerBuilder::Build() const {
  auto runtime = lauberhorn::Runtime::Default();
  if (!runtime.ok()) return While(runtime.status(), "starting the NIC");
  auto native = lauberhorn::Server::Create(*std::move(runtime));
  if (!native.ok()) return While(native.status(), "creating the server");
  std::unique_ptr<grpc::Server> server(new Server(*std::move(native)));
  const absl::Status added = AddServices(*server);
  if (!added.ok()) return While(added, "registering a service");
  // Last, so that the first caller finds all services.
  absl::Status listening = Listen(*server);
  if (!listening.ok()) return listening;
  return server;
}

std::unique_ptr<grpc::Server> ServerBuilder::BuildAndStart() {
  auto server = Build();
  if (!server.ok()) {
    for (const Port& port : ports_) {
      if (port.selected != nullptr) *port.selected = 0;
    }
    std::fprintf(stderr, "grpc::ServerBuilder: no server: %s\n",
                 server.status().ToString().c_str());
    return nullptr;
  }
  return *std::move(server);
}

std::shared_ptr<ServerCredentials> InsecureServerCredentials() {
  return std::shared_ptr<ServerCredentials>(new ServerCredentials());
}

}  // namespace lh_v1
}  // namespace grpc
