// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/security/credentials.h
//
// How a client proves who it is and protects what it says. There are insecure
// credentials only; secure ones do not exist yet, rather than being plain text.
//
//   auto channel = grpc::CreateChannel("localhost:50051",
//                                      grpc::InsecureChannelCredentials());
//
// Thread-safety: safe from any thread. Blocking: never. Ownership: shared.
#ifndef GRPCPP_SECURITY_CREDENTIALS_H_
#define GRPCPP_SECURITY_CREDENTIALS_H_

#include <memory>

namespace grpc {
inline namespace lh_v1 {

class ChannelCredentials {
 public:
  virtual ~ChannelCredentials() = default;

 private:
  friend std::shared_ptr<ChannelCredentials> InsecureChannelCredentials();
  ChannelCredentials() = default;
};

// InsecureChannelCredentials()
//
// No authentication, no encryption.
std::shared_ptr<ChannelCredentials> InsecureChannelCredentials();

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SECURITY_CREDENTIALS_H_
