// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls to servers that listen at Unix sockets: from end to end, whoever comes
// first, and whatever becomes of the server.

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "librpc/testing/rpc_service.h"

namespace lauberhorn {
namespace {

using testing::Call;
using testing::Connect;
using ::testing::HasSubstr;
using testing::OpenRuntime;
using testing::Patient;
using testing::TestServer;

CallOptions WaitingForReady() {
  CallOptions options = Patient();
  options.wait_for_ready = true;
  return options;
}

// From one process to another, once.
class Signal {
 public:
  Signal() { EXPECT_EQ(pipe(ends_), 0); }
  ~Signal() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void Give() { EXPECT_EQ(write(ends_[1], "x", 1), 1); }
  void Await() {
    char byte;
    EXPECT_EQ(read(ends_[0], &byte, 1), 1);
  }

 private:
  int ends_[2];
};

class RpcUnixTest : public ::testing::Test {
 protected:
  RpcUnixTest() {
    EXPECT_NE(mkdtemp(&folder_[0]), nullptr);
    EXPECT_EQ(chmod(folder_.c_str(), 0777), 0);
    path_ = folder_ + "/socket";
    target_ = "unix:" + path_;
  }
  ~RpcUnixTest() override {
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }

  bool FileExists() const {
    struct stat found;
    return lstat(path_.c_str(), &found) == 0;
  }

  // A process that does this, and then sleeps until it is killed. Fork before
  // this process has threads: ThreadSanitizer wants no other forks.
  static pid_t InProcess(const std::function<void()>& run) {
    const pid_t process = fork();
    if (process == 0) {
      run();
      for (;;) pause();
    }
    return process;
  }
  static void Kill(pid_t process) {
    EXPECT_EQ(kill(process, SIGKILL), 0);
    EXPECT_EQ(waitpid(process, nullptr, 0), process);
  }

  std::string folder_ = ::testing::TempDir() + "lauberhorn_test_XXXXXX";
  std::string path_;
  std::string target_;
};

TEST_F(RpcUnixTest, CallsGoThereAndBack) {
  const std::string name = absl::StrCat("lauberhorn-test-", getpid());
  for (const std::string& target :
       {target_, "unix://" + path_, "unix-abstract:" + name,
        "unix-abstract:" + name + "%00%20"}) {
    {
      const auto server_runtime = OpenRuntime();
      const TestServer server(server_runtime, target);
      EXPECT_EQ(server.port, 0);
      const auto runtime = OpenRuntime();
      const auto client = Connect(runtime, target);
      for (int call = 0; call < 100; ++call) {
        const std::string text(static_cast<std::size_t>(call) * 10, 'x');
        EXPECT_EQ(Call(*client, "Echo", text).value(), text);
      }
    }
    EXPECT_FALSE(FileExists());
  }
}

TEST_F(RpcUnixTest, BothSidesAreToldTheSocket) {
  const auto server_runtime = OpenRuntime();
  const TestServer server(server_runtime, target_);
  const auto runtime = OpenRuntime();
  const auto client = Connect(runtime, target_);
  EXPECT_EQ(client->peer().ToString(), target_);
  EXPECT_EQ(Call(*client, "Peer", "").value(),
            absl::StrCat(target_, " ", target_, " ", target_));
}

TEST_F(RpcUnixTest, AProcessCallsItself) {
  const auto runtime = OpenRuntime();
  const TestServer server(runtime, target_);
  EXPECT_EQ(Call(*Connect(runtime, target_), "Echo", "me").value(), "me");
}

TEST_F(RpcUnixTest, AServerListensInSeveralWays) {
  const auto runtime = OpenRuntime();
  TestServer server(runtime, target_);
  const auto port = server.server->Listen("127.0.0.1:0");
  ASSERT_TRUE(port.ok()) << port.status();
  const auto client_runtime = OpenRuntime();
  const auto by_socket = Connect(client_runtime, target_);
  const auto by_port =
      Connect(client_runtime, absl::StrCat("127.0.0.1:", *port));
  EXPECT_EQ(Call(*by_socket, "Echo", "socket").value(), "socket");
  EXPECT_EQ(Call(*by_port, "Echo", "port").value(), "port");
}

TEST_F(RpcUnixTest, ManyThreadsCall) {
  const auto server_runtime = OpenRuntime();
  const TestServer server(server_runtime, target_);
  const auto runtime = OpenRuntime();
  const auto client = Connect(runtime, target_);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 16; ++thread) {
    threads.emplace_back([&client, thread] {
      for (int call = 0; call < 50; ++call) {
        const std::string text = absl::StrCat(thread, ".", call);
        EXPECT_EQ(Call(*client, "Echo", text).value_or("error"), text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(RpcUnixTest, ASecondServerIsTold) {
  const auto runtime = OpenRuntime();
  const TestServer server(runtime, target_);
  const auto other_runtime = OpenRuntime();
  const auto other = Server::Create(other_runtime);
  ASSERT_TRUE(other.ok());
  const absl::Status second = (*other)->Listen(target_).status();
  EXPECT_TRUE(absl::IsUnavailable(second)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr(target_));
  EXPECT_EQ(Call(*Connect(other_runtime, target_), "Echo", "x").value(), "x");
}

TEST_F(RpcUnixTest, WhoIsNotThereIsSaidToBeMissed) {
  const auto client = Connect(OpenRuntime(), target_);
  const absl::Status failed = Call(*client, "Echo", "x").status();
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
  EXPECT_EQ(
      failed.message(),
      absl::StrCat("cannot connect to ", target_,
                   ": No such file or directory; is the server running?"));
}

TEST_F(RpcUnixTest, WhereTheLocalPathIsOffThereIsNone) {
  RuntimeOptions options;
  options.local = false;
  const auto client = Client::Connect(OpenRuntime(options), target_);
  EXPECT_TRUE(absl::IsFailedPrecondition(client.status())) << client.status();
}

TEST_F(RpcUnixTest, AClientMayComeFirst) {
  const auto runtime = OpenRuntime();
  const auto client = Connect(runtime, target_);
  absl::StatusOr<std::string> reply;
  std::thread early(
      [&] { reply = Call(*client, "Echo", "early", WaitingForReady()); });
  while (*client->GetState(false) != ConnectionState::kFailed) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  const auto server_runtime = OpenRuntime();
  const TestServer server(server_runtime, target_);
  early.join();
  EXPECT_EQ(reply.value(), "early");
}

TEST_F(RpcUnixTest, AKilledServerEndsCallsAndTheNextIsFound) {
  Signal entered, killed;
  const pid_t first = InProcess([&] {
    auto* const server = new TestServer(OpenRuntime(), target_);
    server->service.entered.wait();
    entered.Give();
  });
  const pid_t second = InProcess([&] {
    killed.Await();
    new TestServer(OpenRuntime(), target_);
  });
  const auto runtime = OpenRuntime();
  const auto client = Connect(runtime, target_);
  EXPECT_EQ(Call(*client, "Echo", "first", WaitingForReady()).value(), "first");
  absl::StatusOr<std::string> reply;
  std::thread waits([&] { reply = Call(*client, "WaitToLeave", ""); });
  entered.Await();
  Kill(first);
  waits.join();  // long before its deadline
  EXPECT_TRUE(absl::IsUnavailable(reply.status())) << reply.status();
  EXPECT_THAT(std::string(reply.status().message()),
              HasSubstr(target_ + " has ended"));
  EXPECT_TRUE(FileExists()) << "nobody has removed it";
  killed.Give();
  EXPECT_EQ(Call(*client, "Echo", "second", WaitingForReady()).value(),
            "second");
  Kill(second);
}

TEST_F(RpcUnixTest, AHandlerHearsThatItsClientWasKilled) {
  const pid_t caller = InProcess([&] {
    const auto client = Connect(OpenRuntime(), target_);
    (void)Call(*client, "WaitForCancel", "", WaitingForReady());
  });
  const auto runtime = OpenRuntime();
  TestServer server(runtime, target_);
  server.service.entered.wait();
  Kill(caller);
  while (!server.service.saw_cancel) absl::SleepFor(absl::Milliseconds(1));
}

TEST_F(RpcUnixTest, AnotherUserCalls) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  Signal there;
  const pid_t caller = fork();
  if (caller == 0) {
    there.Await();
    if (setuid(65'534) != 0) _exit(1);
    const auto runtime = OpenRuntime();
    const auto client = Connect(runtime, target_);
    for (int call = 0; call < 100; ++call) {
      const std::string text = absl::StrCat(call);
      if (Call(*client, "Echo", text).value_or("error") != text) _exit(2);
    }
    _exit(0);
  }
  const auto runtime = OpenRuntime();
  const TestServer server(runtime, target_);
  EXPECT_EQ(chmod(path_.c_str(), 0777), 0);
  there.Give();
  int status;
  ASSERT_EQ(waitpid(caller, &status, 0), caller);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace lauberhorn
