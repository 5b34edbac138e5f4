// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: librpc/testing/rpc_service.h
//
// What the tests of calls from end to end share: a service with handlers of all
// kinds, a server that has it on a port of its own, and the calls to it.
#ifndef LAUBERHORN_LIBRPC_TESTING_RPC_SERVICE_H_
#define LAUBERHORN_LIBRPC_TESTING_RPC_SERVICE_H_

#include <atomic>
#include <cstddef>
#include <latch>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/method.h"
#include "lauberhorn/runtime.h"
#include "lauberhorn/server.h"

namespace lauberhorn::testing {

inline constexpr std::size_t kLargest = 1392;

// What handlers say to the test, and are told by it.
struct Service {
  std::string name = "one";
  std::atomic<int> runs{0};
  std::latch entered{1};
  std::latch leave{1};
  std::atomic<bool> saw_cancel{false};
  Client* self = nullptr;  // to this process
};

// "/test.Service/<name>":
//   Echo           replies with the request and counts its runs
//   Name           replies with the service's name
//   Grow           replies with more than a message holds
//   Refuse         answers NOT_FOUND, then twice more
//   FailOk         fails with OK
//   Throw, Forget  throws; returns without an answer
//   EndThread      ends its thread
//   Sleep          takes a tenth of a second, and counts its runs
//   WaitToLeave    says that it has entered, and waits until it may leave
//   WaitForCancel  says that it has entered, and waits until nobody waits for
//                  it
//   Nest           calls itself as often as the request says
//   NestBetween    calls Name between reserving its reply and giving it
//   Peer           replies with where its caller is, as three look-ups say
absl::Span<const Method> TestMethods();

absl::string_view Text(absl::Span<const std::uint8_t> bytes);

std::shared_ptr<Runtime> OpenRuntime(const RuntimeOptions& options = {});

// A server with all methods on a port of its own.
struct TestServer {
  explicit TestServer(const std::shared_ptr<Runtime>& runtime,
                      absl::string_view address = "127.0.0.1:0");
  std::string target() const { return absl::StrCat("127.0.0.1:", port); }

  Service service;
  std::unique_ptr<Server> server;
  int port;
};

std::shared_ptr<Client> Connect(const std::shared_ptr<Runtime>& runtime,
                                absl::string_view target);

// A call that hangs is ended by this deadline and fails the test.
CallOptions Patient();

absl::StatusOr<std::string> Call(Client& client, absl::string_view method,
                                 absl::string_view request,
                                 const CallOptions& options = Patient());

// A server and a client in runtimes of their own.
class RpcTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Call(absl::string_view method,
                                   absl::string_view request,
                                   const CallOptions& options = Patient()) {
    return testing::Call(*client_, method, request, options);
  }

  std::shared_ptr<Runtime> server_runtime_ = OpenRuntime();
  TestServer server_{server_runtime_};
  std::shared_ptr<Runtime> runtime_ = OpenRuntime();
  std::shared_ptr<Client> client_ = Connect(runtime_, server_.target());
};

}  // namespace lauberhorn::testing

#endif  // LAUBERHORN_LIBRPC_TESTING_RPC_SERVICE_H_
