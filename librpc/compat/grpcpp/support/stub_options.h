// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: grpcpp/support/stub_options.h
//
// Options of a stub.
//
//   auto stub = Greeter::NewStub(channel, grpc::StubOptions("canary"));
//
// Thread-safety: a value. Blocking: never. Ownership: the suffix must outlive
// the stub.
#ifndef GRPCPP_SUPPORT_STUB_OPTIONS_H_
#define GRPCPP_SUPPORT_STUB_OPTIONS_H_

namespace grpc {
inline namespace lh_v1 {

class StubOptions {
 public:
  StubOptions() = default;
  explicit StubOptions(const char* suffix_for_stats)
      : suffix_for_stats_(suffix_for_stats) {}

  // StubOptions::set_suffix_for_stats()
  //
  // What distinguishes this stub's calls in statistics. It is kept, but there
  // are no statistics of calls yet.
  void set_suffix_for_stats(const char* suffix_for_stats) {
    suffix_for_stats_ = suffix_for_stats;
  }
  const char* suffix_for_stats() const { return suffix_for_stats_; }

 private:
  const char* suffix_for_stats_ = nullptr;
};

}  // namespace lh_v1
}  // namespace grpc

#endif  // GRPCPP_SUPPORT_STUB_OPTIONS_H_
