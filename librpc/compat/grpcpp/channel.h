// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/channel.h
//
// A connection to a server, made by CreateChannel() (grpcpp/create_channel.h)
// and used through stubs:
//
//   std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel(
//       "localhost:50051", grpc::InsecureChannelCredentials());
//   std::unique_ptr<Greeter::Stub> stub = Greeter::NewStub(channel);
//
// The first call resolves the name. A call that cannot do so fails and the next
// tries again; with ClientContext::set_wait_for_ready() it tries until its
// deadline. A lost server is found again without any help.
//
// Thread-safety: safe from any thread. Blocking: never by itself; the first
// call also waits for the resolver of the system, which its deadline does not
// bound. Allocation: none per call. Ownership: shared by stubs and program.
#ifndef GRPCPP_CHANNEL_H_
#define GRPCPP_CHANNEL_H_

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/impl/channel_interface.h"
#include "grpcpp/impl/channel_settings.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/config.h"
#include "lauberhorn/client.h"

namespace grpc {
inline namespace lh_v1 {

class Channel final : public ChannelInterface {
 public:
  ~Channel() override = default;

  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  grpc_connectivity_state GetState(bool try_to_connect) override;

  // Channel::GetLoadBalancingPolicyName()
  //
  // "pick_first": a target is one address.
  std::string GetLoadBalancingPolicyName() const { return "pick_first"; }

 private:
  friend std::shared_ptr<Channel> CreateCustomChannel(
      const grpc::string& target,
      const std::shared_ptr<ChannelCredentials>& creds,
      const ChannelArguments& args);

  // If `refused` is an error, all calls fail with it.
  Channel(absl::Status refused, internal::ChannelSettings settings)
      : ChannelInterface(std::move(settings)), refused_(std::move(refused)) {}

  absl::StatusOr<lauberhorn::Client*> Connect(
      const lauberhorn::CallOptions& options) override;
  absl::StatusOr<lauberhorn::Client*> TryConnect();

  bool WaitForStateChangeBy(grpc_connectivity_state last_observed,
                            absl::Time deadline) override;
  // The same while there is no client, and until there is one or the name has
  // turned out not to be resolved.
  bool WaitForClient(grpc_connectivity_state last_observed,
                     absl::Time deadline);
  bool WaitUntilChanged(grpc_connectivity_state last_observed,
                        absl::Time until);
  grpc_connectivity_state StateWithoutClient() const {
    if (!refused_.ok()) return GRPC_CHANNEL_SHUTDOWN;
    return unresolved_.load(std::memory_order_relaxed)
               ? GRPC_CHANNEL_TRANSIENT_FAILURE
               : GRPC_CHANNEL_IDLE;
  }

  const absl::Status refused_;
  std::atomic<bool> unresolved_{false};  // the last attempt failed
  std::mutex mutex_;
  std::condition_variable changed_;  // client_ or unresolved_
  std::shared_ptr<lauberhorn::Client> client_ ABSL_GUARDED_BY(mutex_);
  // client_, once it is there; stored with release, so that calls need no lock.
  std::atomic<lauberhorn::Client*> connected_{nullptr};
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_CHANNEL_H_
