// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// The socket of an engine on a thread of its own, asked by good and bad peers;
// where it lies, and what becomes of it.

#include "nic/report_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nic/engine_thread.h"
#include "nic/report.h"
#include "nic/report_path.h"
#include "nic/testing/host_side.h"

namespace lauberhorn::nic {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::HostChannel;
using testing::RegionMemory;
using ::testing::StartsWith;

RegionOptions SmallRegion() {
  RegionOptions options;
  options.endpoints = 2;
  options.arrived_calls = 64;
  options.own_calls = 64;
  return options;
}

// An engine that reports in a folder of this test.
class Node {
 public:
  explicit Node(const std::vector<std::string>& folders, bool spin = false,
                bool trace = false)
      : memory_(SmallRegion()), region_(SmallRegion(), memory_.bytes()) {
    EngineThreadOptions options;
    options.spin = spin;
    options.trace = trace;
    options.report_folders = folders;
    thread_ = *EngineThread::Start(options, region_);
  }

  std::string path() const { return thread_->report_path(); }

  // A command that leaves its mark in the counters.
  void SayNonsense() {
    HostChannel call(region_.base(), 0, Which::kCall);
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = 0xffff;
    header.call = 1;
    ASSERT_TRUE(call.Put(header));
    thread_->Ring();
    testing::TakenMessage result;
    while (!call.Take(&result)) {
    }
  }

 private:
  RegionMemory memory_;
  Region region_;
  std::unique_ptr<EngineThread> thread_;
};

int Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    close(peer);
    return -1;
  }
  return peer;
}

std::string Rest(int peer) {
  std::string answer;
  char bytes[4096];
  for (ssize_t got; (got = read(peer, bytes, sizeof(bytes))) > 0;) {
    answer.append(bytes, static_cast<std::size_t>(got));
  }
  return answer;
}

std::string Ask(const std::string& path, const std::string& request) {
  const int peer = Connect(path);
  EXPECT_GE(peer, 0) << path;
  EXPECT_EQ(send(peer, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer = Rest(peer);
  close(peer);
  return answer;
}

class ReportSocketTest : public ::testing::Test {
 protected:
  ReportSocketTest() {
    char name[] = P_tmpdir "/lauberhorn-report-XXXXXX";
    root_ = mkdtemp(name);
    folder_ = root_ + "/folder";
  }
  ~ReportSocketTest() override { fs::remove_all(root_); }

  std::string root_;
  std::string folder_;
};

TEST_F(ReportSocketTest, AnswersWhatTheEngineCounted) {
  Node node({folder_});
  EXPECT_EQ(node.path(), absl::StrCat(folder_, "/", getpid(), ".sock"));
  EXPECT_THAT(Ask(node.path(), "stat\n"), HasSubstr("\"controls\":0"));
  node.SayNonsense();
  const std::string report = Ask(node.path(), "stat\n");
  EXPECT_THAT(report, StartsWith("{\"version\":1,"));
  EXPECT_THAT(report, HasSubstr(absl::StrCat("\"pid\":", getpid(), ",")));
  EXPECT_THAT(report, HasSubstr("\"controls\":1"));
  EXPECT_THAT(report, HasSubstr("\"endpoint\":0,"));
  EXPECT_THAT(report, EndsWith("}\n"));
}

TEST_F(ReportSocketTest, AnEngineThatNeverSleepsAnswersToo) {
  Node node({folder_}, /*spin=*/true);
  EXPECT_THAT(Ask(node.path(), "stat\n"), HasSubstr("\"controls\":0"));
}

TEST_F(ReportSocketTest, ATraceOfWhatTheRingHolds) {
  Node quiet({folder_});
  EXPECT_THAT(Ask(quiet.path(), "trace 0\n"),
              StartsWith("{\"version\":1,\"pid\":"));
  EXPECT_THAT(Ask(quiet.path(), "trace 1\n"), HasSubstr("\"lost\":0,"));
}

TEST_F(ReportSocketTest, RefusesEverythingElse) {
  Node node({folder_});
  for (const std::string& request :
       {std::string("\n"), std::string("stat \n"), std::string("STAT\n"),
        std::string("trace\n"), std::string("trace -1\n"),
        std::string("trace 60001\n"), std::string("trace 1 2\n"),
        std::string("\0\xff\n", 3), std::string(64, 'x')}) {
    EXPECT_THAT(Ask(node.path(), request), StartsWith("{\"error\":"))
        << request;
  }
  EXPECT_THAT(Ask(node.path(), "stat\n"), StartsWith("{\"version\":1,"));
}

TEST_F(ReportSocketTest, PeersThatHangUpAreForgotten) {
  Node node({folder_});
  for (int round = 0; round < 50; ++round) {
    const int peer = Connect(node.path());
    if (peer < 0) continue;  // more at a time than it keeps waiting
    (void)!send(peer, "trace 60000\n", static_cast<std::size_t>(round % 13),
                MSG_NOSIGNAL);
    close(peer);
  }
  // As soon as there is a place again.
  std::string report;
  while (report.empty()) {
    const int peer = Connect(node.path());
    if (peer < 0) continue;
    (void)!send(peer, "stat\n", 5, MSG_NOSIGNAL);
    report = Rest(peer);
    close(peer);
  }
  EXPECT_THAT(report, StartsWith("{\"version\":1,"));
}

TEST_F(ReportSocketTest, ThoseWhoStillAskAreHungUpOnAtTheEnd) {
  auto node = std::make_unique<Node>(std::vector<std::string>{folder_});
  const std::string path = node->path();
  const int silent = Connect(path);
  const int long_trace = Connect(path);
  ASSERT_EQ(write(long_trace, "trace 60000\n", 12), 12);
  node.reset();
  EXPECT_EQ(Rest(silent), "");
  Rest(long_trace);
  close(silent);
  close(long_trace);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ReportSocketTest, EnginesOfAProcessHaveSocketsOfTheirOwn) {
  Node first({folder_});
  Node second({folder_});
  EXPECT_EQ(second.path(), absl::StrCat(folder_, "/", getpid(), "-2.sock"));
  second.SayNonsense();
  EXPECT_THAT(Ask(first.path(), "stat\n"), HasSubstr("\"controls\":0"));
  EXPECT_THAT(Ask(second.path(), "stat\n"), HasSubstr("\"controls\":1"));
}

TEST_F(ReportSocketTest, TheFolderIsOnlyTheUsers) {
  Node node({folder_});
  struct stat found;
  ASSERT_EQ(stat(folder_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0700u);
}

TEST_F(ReportSocketTest, FoldersThatCannotBeUsedArePassedOver) {
  const std::string open = root_ + "/open";
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open.c_str(), 0755), 0);
  const std::string link = root_ + "/link";
  ASSERT_EQ(symlink(open.c_str(), link.c_str()), 0);
  const std::string not_there = root_ + "/not/there";
  const std::string too_long = root_ + "/" + std::string(100, 'l');
  const Node node({open, link, not_there, too_long, folder_});
  EXPECT_THAT(node.path(), StartsWith(folder_));
  const Node nowhere({open, link, not_there, too_long});
  EXPECT_EQ(nowhere.path(), "");
}

TEST_F(ReportSocketTest, SocketsOfProcessesThatAreGoneAreRemoved) {
  // A child's number is this process's until it is asked for its status.
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_GT(child, 0);
  int status;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(mkdir(folder_.c_str(), 0700), 0);
  const auto leave = [&](const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string path = folder_ + "/" + name;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    const int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(
        bind(left, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    close(left);
    return path;
  };
  const std::string gone = leave(ReportName(child, 1));
  // Of one that had this process's number before, and of one that is there.
  const std::string own = leave(ReportName(getpid(), 1));
  const std::string parent = leave(ReportName(getppid(), 1));
  const std::string other = leave("other");
  const Node node({folder_});
  EXPECT_EQ(node.path(), own);
  EXPECT_FALSE(fs::exists(gone));
  EXPECT_TRUE(fs::exists(parent));
  EXPECT_TRUE(fs::exists(other));
}

TEST(JsonStringTest, EscapesEverythingThatIsNotPlain) {
  EXPECT_EQ(JsonString("/a.A/Do"), "\"/a.A/Do\"");
  EXPECT_EQ(JsonString("\"\\\n\x7f\xff"), "\"\\\"\\\\\\u000a\\u007f\\u00ff\"");
}

}  // namespace
}  // namespace lauberhorn::nic
