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
  services_.push_back(service);
  return *this;
}

absl::StatusOr<std::unique_ptr<lauberhorn::Server>> ServerBuilder::Build()
    const {
  auto runtime = lauberhorn::Runtime::Default();
  if (!runtime.ok()) return While(runtime.status(), "starting the NIC");
  auto server = lauberhorn::Server::Create(*std::move(runtime));
  if (!server.ok()) return While(server.status(), "creating the server");
  for (Service* service : services_) {
    if (service == nullptr) {
      return absl::InvalidArgumentError("RegisterService() was given null");
    }
    const absl::Status added =
        (*server)->AddService(service->methods_, service->service_);
    if (!added.ok()) return While(added, "registering a service");
  }
  // Last, so that the first caller finds all services.
  int first_port = 0;
  for (const Port& port : ports_) {
    if (port.creds == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("the port '", port.address,
                       "' has null credentials; give AddListeningPort() "
                       "InsecureServerCredentials()"));
    }
    const absl::StatusOr<int> listening = (*server)->Listen(port.address);
    if (!listening.ok()) {
      return While(listening.status(),
                   absl::StrCat("listening at '", port.address, "'"));
    }
    if (port.selected != nullptr) *port.selected = *listening;
    if (&port == &ports_.front()) first_port = *listening;
  }
  if (!ports_.empty()) {
    internal::NoticeListening(ports_.front().address, first_port);
  }
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
  return std::unique_ptr<grpc::Server>(new Server(*std::move(server)));
}

std::shared_ptr<ServerCredentials> InsecureServerCredentials() {
  return std::shared_ptr<ServerCredentials>(new ServerCredentials());
}

}  // namespace lh_v1
}  // namespace grpc
