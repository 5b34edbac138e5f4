// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands before the handlers of some servers; see method_gates.h.
#include "librpc/compat/method_gates.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "grpcpp/support/metadata.h"
#include "lauberhorn/metadata.h"
#include "lauberhorn/server_call.h"

namespace grpc {
inline namespace lh_v1 {
namespace internal {
namespace {

// The host that the client means; empty if it says nothing.
absl::string_view HostOf(const lauberhorn::ServerCall& call) {
  lauberhorn::MetadataReader reader(call.metadata());
  lauberhorn::MetadataEntry entry;
  absl::string_view host;
  while (reader.Next(&entry)) {
    if (entry.key == kAuthorityKey) host = entry.value;
  }
  return host;
}

// A call whose reply has a limit.
class LimitedCall final : public lauberhorn::ServerCall {
 public:
  LimitedCall(lauberhorn::ServerCall& call, const MessageLimit& limit)
      : call_(call), limit_(limit) {}

  absl::Span<const std::uint8_t> request() const override {
    return call_.request();
  }
  absl::Span<const std::uint8_t> metadata() const override {
    return call_.metadata();
  }
  absl::Time deadline() const override { return call_.deadline(); }
  bool IsCancelled() const override { return call_.IsCancelled(); }
  void Cancel() override { call_.Cancel(); }
  absl::StatusOr<lauberhorn::PeerAddress> peer() const override {
    return call_.peer();
  }
  lauberhorn::ParentCall AsParent() const override { return call_.AsParent(); }
  std::uint8_t* ReserveReply(std::size_t size,
                             absl::Span<const std::uint8_t> metadata) override {
    if (!limit_.Excludes(size)) return call_.ReserveReply(size, metadata);
    const absl::Status error = limit_.Error("Sent", size);
    call_.Fail(error.code(), error.message());
    return nullptr;
  }
  void Reply() override { call_.Reply(); }
  void Fail(absl::StatusCode code, absl::string_view message,
            absl::Span<const std::uint8_t> metadata) override {
    call_.Fail(code, message, metadata);
  }

 private:
  lauberhorn::ServerCall& call_;
  const MessageLimit limit_;
};

}  // namespace

const MethodGates::Target* MethodGates::Gate::Find(
    absl::string_view host) const {
  const auto found = std::find_if(
      targets.begin(), targets.end(),
      [host](const Target& target) { return target.host == host; });
  return found == targets.end() ? nullptr : &*found;
}

const MethodGates::Target* MethodGates::Gate::TargetOf(
    const lauberhorn::ServerCall& call) const {
  const Target* const for_all = Find("");
  if (targets.size() == 1 && for_all != nullptr) return for_all;
  const Target* const for_host = Find(HostOf(call));
  return for_host == nullptr ? for_all : for_host;
}

absl::Status MethodGates::Add(const std::string& host,
                              absl::Span<const lauberhorn::Method> methods,
                              void* service) {
  for (const lauberhorn::Method& method : methods) {
    auto gate = std::find_if(
        gates_.begin(), gates_.end(),
        [&](const Gate& other) { return other.method == method.name; });
    if (gate == gates_.end()) {
      gate = gates_.insert(gates_.end(), Gate{method.name, &limits_, {}});
    }
    if (gate->Find(host) != nullptr) {
      return absl::AlreadyExistsError(
          absl::StrCat(method.name, " is there already",
                       host.empty() ? "" : " for the host ", host));
    }
    gate->targets.push_back({host, method.thunk, service});
  }
  return absl::OkStatus();
}

absl::Status MethodGates::AddTo(lauberhorn::Server& server) {
  for (Gate& gate : gates_) {
    const lauberhorn::Method method(gate.method, &MethodGates::Pass);
    absl::Status added =
        server.AddService(absl::MakeConstSpan(&method, 1), &gate);
    if (!added.ok()) return added;
  }
  return absl::OkStatus();
}

void MethodGates::Pass(void* gate, lauberhorn::ServerCall& call) {
  const Gate& passed = *static_cast<const Gate*>(gate);
  const Target* const target = passed.TargetOf(call);
  if (target == nullptr) {
    return call.Fail(
        absl::StatusCode::kUnimplemented,
        absl::StrCat(passed.method, " is not served for the host '",
                     HostOf(call), "'"));
  }
  const MessageLimits& limits = *passed.limits;
  if (limits.receive.Excludes(call.request().size())) {
    const absl::Status error =
        limits.receive.Error("Received", call.request().size());
    return call.Fail(error.code(), error.message());
  }
  if (!limits.send.is_set()) return target->thunk(target->service, call);
  LimitedCall limited(call, limits.send);
  target->thunk(target->service, limited);
}

}  // namespace internal
}  // namespace lh_v1
}  // namespace grpc
