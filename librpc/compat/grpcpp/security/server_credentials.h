// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/security/server_credentials.h
//
// How a server proves who it is and protects what it says. There are insecure
// credentials only; secure ones do not exist yet, rather than being plain text.
//
//   builder.AddListeningPort("0.0.0.0:50051",
//   grpc::InsecureServerCredentials());
//
// Thread-safety: safe from any thread. Blocking: never. Ownership: shared.
#ifndef GRPCPP_SECURITY_SERVER_CREDENTIALS_H_
#define GRPCPP_SECURITY_SERVER_CREDENTIALS_H_

#include <memory>

namespace grpc {
inline namespace lh_v1 {

class ServerCredentials {
 public:
  virtual ~ServerCredentials() = default;

 private:
  friend std::shared_ptr<ServerCredentials> InsecureServerCredentials();
  ServerCredentials() = default;
};

// InsecureServerCredentials()
//
// Serves everybody, without encryption.
std::shared_ptr<ServerCredentials> InsecureServerCredentials();

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SECURITY_SERVER_CREDENTIALS_H_
