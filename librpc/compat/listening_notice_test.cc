// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What the library says by itself when a server starts. As that is once per
// process, each test lets a process of its own start servers.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "echo.grpc.pb.h"
#include "librpc/compat/testing/fake_core.h"

namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ListeningNoticeDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  // In the new process: starts servers, each at a port of its own, and exits
  // with 0 if all of them run. `log` is LAUBERHORN_LOG, null if it is not set.
  [[noreturn]] static void Serve(int servers, const char* log) {
    if (log == nullptr) {
      unsetenv("LAUBERHORN_LOG");
    } else {
      setenv("LAUBERHORN_LOG", log, 1);
    }
    lauberhorn::testing::FakeCore::Reset();
    int failed = 0;
    for (int i = 0; i < servers; ++i) {
      echo::Echo::Service service;
      failed += Start(&service, "127.0.0.1:0") == nullptr ? 1 : 0;
    }
    std::exit(failed);
  }

  static std::unique_ptr<grpc::Server> Start(grpc::Service* service,
                                             const char* address) {
    grpc::ServerBuilder builder;
    if (address != nullptr) {
      builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    }
    return builder.RegisterService(service).BuildAndStart();
  }
};

// One line, and no other.
auto Notice() {
  return AllOf(StartsWith("lauberhorn: listening at '127.0.0.1:0', port "),
               HasSubstr("gRPC's own clients (HTTP/2) cannot reach it"),
               EndsWith("LAUBERHORN_LOG=off silences this line.\n"),
               Not(HasSubstr("\nlauberhorn")));
}

TEST_F(ListeningNoticeDeathTest, SaysWhoIsAnswered) {
  EXPECT_EXIT(Serve(1, nullptr), ExitedWithCode(0), Notice());
}

TEST_F(ListeningNoticeDeathTest, IsSaidOncePerProcess) {
  EXPECT_EXIT(Serve(3, nullptr), ExitedWithCode(0), Notice());
}

TEST_F(ListeningNoticeDeathTest, OffSilencesIt) {
  EXPECT_EXIT(Serve(2, "off"), ExitedWithCode(0), IsEmpty());
}

TEST_F(ListeningNoticeDeathTest, OtherValuesDoNotSilenceIt) {
  for (const char* log : {"", "on", "offset", "OFF"}) {
    EXPECT_EXIT(Serve(1, log), ExitedWithCode(0), Notice()) << log;
  }
}

TEST_F(ListeningNoticeDeathTest, AServerThatListensNowhereSaysNothing) {
  EXPECT_EXIT(
      {
        unsetenv("LAUBERHORN_LOG");
        lauberhorn::testing::FakeCore::Reset();
        echo::Echo::Service service;
        std::exit(Start(&service, nullptr) == nullptr ? 1 : 0);
      },
      ExitedWithCode(0), IsEmpty());
}

// An error is not silenced, and not followed by a notice of what did not
// happen.
TEST_F(ListeningNoticeDeathTest, AServerThatCannotListenEverywhereSaysOnlyWhy) {
  for (const char* log : {"on", "off"}) {
    EXPECT_EXIT(
        {
          setenv("LAUBERHORN_LOG", log, 1);
          lauberhorn::testing::FakeCore::Reset();
          echo::Echo::Service service;
          grpc::ServerBuilder builder;
          builder
              .AddListeningPort("127.0.0.1:0",
                                grpc::InsecureServerCredentials())
              .AddListeningPort("nonsense", grpc::InsecureServerCredentials())
              .RegisterService(&service);
          std::exit(builder.BuildAndStart() == nullptr ? 0 : 1);
        },
        ExitedWithCode(0),
        AllOf(StartsWith("grpc::ServerBuilder: no server: "),
              Not(HasSubstr("lauberhorn:"))))
        << log;
  }
}

}  // namespace
