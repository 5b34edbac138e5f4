// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/propagation_options.h
//
// What a call inherits from the one that it is made for: its deadline and its
// cancellation, unless they are disabled. There is no census to be inherited.
//
//   auto context = grpc::ClientContext::FromServerContext(
//       *server_context,
//       grpc::PropagationOptions().disable_deadline_propagation());
//
// Thread-safety: a value. Blocking: never.
#ifndef GRPCPP_SUPPORT_PROPAGATION_OPTIONS_H_
#define GRPCPP_SUPPORT_PROPAGATION_OPTIONS_H_

#include <cstdint>

#include "grpc/grpc.h"

namespace grpc {
inline namespace lh_v1 {

class PropagationOptions {
 public:
  PropagationOptions& enable_deadline_propagation() {
    return Enable(GRPC_PROPAGATE_DEADLINE);
  }
  PropagationOptions& disable_deadline_propagation() {
    return Disable(GRPC_PROPAGATE_DEADLINE);
  }
  PropagationOptions& enable_census_stats_propagation() {
    return Enable(GRPC_PROPAGATE_CENSUS_STATS_CONTEXT);
  }
  PropagationOptions& disable_census_stats_propagation() {
    return Disable(GRPC_PROPAGATE_CENSUS_STATS_CONTEXT);
  }
  PropagationOptions& enable_census_tracing_propagation() {
    return Enable(GRPC_PROPAGATE_CENSUS_TRACING_CONTEXT);
  }
  PropagationOptions& disable_census_tracing_propagation() {
    return Disable(GRPC_PROPAGATE_CENSUS_TRACING_CONTEXT);
  }
  PropagationOptions& enable_cancellation_propagation() {
    return Enable(GRPC_PROPAGATE_CANCELLATION);
  }
  PropagationOptions& disable_cancellation_propagation() {
    return Disable(GRPC_PROPAGATE_CANCELLATION);
  }

  std::uint32_t c_bitmask() const { return propagate_; }

 private:
  PropagationOptions& Enable(std::uint32_t bits) {
    propagate_ |= bits;
    return *this;
  }
  PropagationOptions& Disable(std::uint32_t bits) {
    propagate_ &= ~bits;
    return *this;
  }

  std::uint32_t propagate_ = GRPC_PROPAGATE_DEFAULTS;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_PROPAGATION_OPTIONS_H_
