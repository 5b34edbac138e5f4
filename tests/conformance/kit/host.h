// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tests/conformance/kit/host.h
//
// The driver and the process of the kit's tests. It keeps the host's half of
// the contract itself, by abi/host/channel.h, and whatever it waits for, it
// waits for as long as its patience lasts.
//
// One thread drives all endpoints; a test may give one of them to another.
#ifndef LAUBERHORN_TESTS_CONFORMANCE_KIT_HOST_H_
#define LAUBERHORN_TESTS_CONFORMANCE_KIT_HOST_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "abi/host/control.h"
#include "abi/host/testing/host_channel.h"
#include "tests/conformance/kit/layout.h"
#include "tests/conformance/kit/region_file.h"
#include "tests/conformance/kit/test.h"

namespace lauberhorn::conformance {

using testing::HostChannel;
using testing::TakenMessage;

// Statuses of calls and commands.
enum Status : std::uint64_t {
  kOk = 0,
  kCancelled = 1,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

struct HostOptions {
  std::chrono::milliseconds patience{5000};
  lh_address address = {};           // where the device is to listen
  unsigned has = kNothing;           // Needs that it satisfies
  std::uint64_t seed = 1;            // of what is random
  std::vector<std::string> without;  // rules that the device leaves out
};

// The bytes of a struct, as a payload.
template <typename T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// FNV-1a, as abi/wire/packet.h wants it.
std::uint64_t MethodId(std::string_view name);

class Host {
 public:
  // The method of the server that Serve() opens.
  static constexpr std::string_view kMethodName = "/conformance.Kit/Echo";
  static constexpr std::uint64_t kCode = 0x0123456789abcdef;
  static constexpr std::uint64_t kData = 0xfedcba9876543210;
  static constexpr std::uint16_t kIndex = 0xabc;

  // The region outlives it.
  Host(RegionFile& region, const HostOptions& options);

  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // The driver's first act: a new epoch, and a process that knows of nothing.
  void Reset();

  RegionFile& region() { return region_; }
  const HostOptions& options() const { return options_; }
  const Layout& layout() const { return layout_; }
  const lh_info& info() const { return layout_.info; }
  std::uint32_t slots() const { return layout_.info.slots; }
  std::uint32_t endpoints() const {
    return static_cast<std::uint32_t>(layout_.endpoints.size());
  }
  HostChannel& serve(std::uint32_t endpoint) { return serve_.at(endpoint); }
  HostChannel& call(std::uint32_t endpoint) { return call_.at(endpoint); }
  lh_channel_state& StateOf(const lh_channel_layout& channel) {
    return *At<lh_channel_state>(channel.state);
  }
  lh_channel_state& serve_state(std::uint32_t endpoint) {
    return StateOf(layout_.endpoints.at(endpoint).serve);
  }
  lh_channel_state& call_state(std::uint32_t endpoint) {
    return StateOf(layout_.endpoints.at(endpoint).call);
  }
  std::uint64_t CallWord(std::uint64_t call);

  // An endpoint that no test uses for anything else: for control commands.
  std::uint32_t control_endpoint() const { return control_; }
  // Others; at least four, or the test is not applicable.
  std::uint32_t endpoint(std::uint32_t number) const;

  // Whether the device is said to leave this rule out.
  bool IsWithout(std::string_view rule) const;

  // The handle of an endpoint.
  lh_command_handle HandleOf(std::uint32_t endpoint) const;
  // Closes both lanes of an endpoint where there is no message.
  void Close(std::uint32_t endpoint);
  // Opens them for the next thread.
  void Reopen(std::uint32_t endpoint);

  // The most bytes that a message can have in a slot.
  std::size_t most() const {
    return LH_INLINE_SIZE + layout_.info.overflow_size;
  }
  // The most that the device has to carry from end to end.
  std::size_t most_payload() const;

  template <typename T>
  T* At(std::uint64_t offset) {
    return reinterpret_cast<T*>(region_.base() + offset);
  }

  // Device time, now.
  std::uint64_t Now() const;

  // Makes the device look at a channel where nothing was put as it should be.
  void Nudge(HostChannel& channel);

  // Waits until the condition holds, for as long as its patience lasts or for
  // so long; Until() throws if it does not.
  bool Within(const std::function<bool()>& condition) {
    return Within(options_.patience, condition);
  }
  bool Within(std::chrono::milliseconds patience,
              const std::function<bool()>& condition);
  void Until(const std::string& expected,
             const std::function<bool()>& condition);

  // Puts a message, as soon as there is room, and rings if need be.
  void Put(HostChannel& channel, const lh_message& header,
           std::string_view payload = "", bool length_as_given = false);

  // Waits for the next message; what is expected says `what`. Await() takes it
  // and gives its slot back.
  TakenMessage Await(HostChannel& channel, const std::string& what);
  TakenMessage AwaitHeld(HostChannel& channel, lh_line** held,
                         const std::string& what);
  // Says what a host says before it sleeps on the channel.
  void BeforeSleep(HostChannel& channel);

  // A command, and its result.
  std::uint64_t PutCommand(HostChannel& channel, std::uint64_t command,
                           std::string_view payload);
  TakenMessage Command(std::uint64_t command, std::string_view payload = "");
  // The same, which must succeed. Returns the handle.
  std::uint64_t Good(std::uint64_t command, std::string_view payload = "");

  // Returns when the device has seen everything that was put before, on all
  // channels that it watches or that were rung for, and has had time to answer:
  // it has answered several commands since.
  void Settle();

  // A server with the one method, and this process as its client.
  struct Service {
    std::uint64_t server = 0;
    std::uint16_t port = 0;
    std::uint64_t peer = 0;
  };
  Service Serve();
  // Two threads, one of which calls the other.
  struct Pair {
    Service service;
    std::uint32_t worker = 0;  // endpoints
    std::uint32_t caller = 0;
    // A call, if the worker has one: its handle for the caller, and for it.
    std::uint64_t made = 0;
    std::uint64_t arrived = 0;
  };
  Pair ServePair();  // the worker waits for one call
  Pair ServeCall();  // and has one
  std::uint64_t OpenServer();
  std::uint64_t AddMethod(std::uint64_t server, std::string_view name,
                          std::uint64_t* status = nullptr);
  std::uint16_t Listen(std::uint64_t server, std::uint16_t port = 0);
  std::uint64_t Connect(std::uint16_t port);

  // The header of a call that nobody has made yet.
  lh_message NewCall(const Service& service);
  // Puts a call on `call` of that endpoint. Returns its handle.
  std::uint64_t Call(const Service& service, std::uint32_t endpoint,
                     std::string_view payload = "", std::uint64_t deadline = 0);
  // Puts a call to nobody: it is answered at once.
  std::uint64_t CallNobody(std::uint32_t endpoint,
                           std::uint32_t answered_at = 0);
  // Says that the endpoint's thread takes so many calls.
  void Empty(std::uint32_t endpoint, std::uint16_t count = 1);
  void Reply(std::uint32_t endpoint, std::uint64_t call,
             std::string_view payload = "", std::uint64_t status = kOk);
  void Say(HostChannel& channel, std::uint8_t kind, std::uint64_t call);

  // Waits for the call that comes to this endpoint, and for the end of this
  // one.
  TakenMessage AwaitCall(std::uint32_t endpoint);
  TakenMessage AwaitEnd(std::uint32_t endpoint, std::uint64_t call);
  // The same, which must have this status.
  TakenMessage AwaitEnd(std::uint32_t endpoint, std::uint64_t call,
                        std::uint64_t status);

 private:
  bool IsServe(const HostChannel& channel) const;

  RegionFile& region_;
  const HostOptions options_;
  std::uint64_t epoch_ = 0;  // the driver's
  Layout layout_;
  std::uint32_t control_ = 0;
  std::deque<HostChannel> serve_;
  std::deque<HostChannel> call_;
  std::uint64_t commands_ = 0;
  std::uint32_t calls_ = 0;
};

}  // namespace lauberhorn::conformance

#endif  // LAUBERHORN_TESTS_CONFORMANCE_KIT_HOST_H_
