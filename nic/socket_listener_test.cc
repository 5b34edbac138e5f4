// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// What lies at the path that a server wants: what is dead is replaced, and
// nothing else is touched.

#include "nic/socket_listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "nic/local_socket.h"
#include "nic/testing/temporary_folder.h"

namespace lauberhorn::nic {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

SocketName NameOf(const std::string& bytes) {
  return SocketName::From(bytes).value();
}

bool Exists(const std::string& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0;
}

// Runs it in a child process, as this user; true if it returned true.
bool InChild(const std::function<bool()>& run, uid_t user = geteuid()) {
  const pid_t child = fork();
  if (child == 0) {
    if (user != geteuid() && setuid(user) != 0) _exit(2);
    _exit(run() ? 0 : 1);
  }
  int status;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// As one that was killed leaves it.
void LeaveBehind(const std::string& path) {
  Descriptor socket;
  ASSERT_EQ(ListenAt(NameOf(path), &socket), 0);
}

// What it says when it cannot listen there.
std::string Error(const std::string& path, absl::StatusCode code) {
  const auto listener = ListenAtName(NameOf(path));
  EXPECT_EQ(listener.status().code(), code) << listener.status();
  EXPECT_THAT(std::string(listener.status().message()), HasSubstr(path));
  return std::string(listener.status().message());
}

class SocketListenerTest : public ::testing::Test {
 protected:
  const TemporaryFolder folder_;
  const std::string path_ = folder_.File("socket");
};

TEST_F(SocketListenerTest, TheFileIsThereWhileItListens) {
  {
    const auto listener = ListenAtName(NameOf(path_));
    ASSERT_TRUE(listener.ok()) << listener.status();
    Descriptor client;
    EXPECT_EQ(ConnectTo(NameOf(path_), &client), 0);
  }
  EXPECT_FALSE(Exists(path_));
}

TEST_F(SocketListenerTest, WhatADeadProcessLeftIsReplaced) {
  LeaveBehind(path_);
  ASSERT_TRUE(Exists(path_));
  const auto listener = ListenAtName(NameOf(path_));
  ASSERT_TRUE(listener.ok()) << listener.status();
  Descriptor client;
  EXPECT_EQ(ConnectTo(NameOf(path_), &client), 0);
}

TEST_F(SocketListenerTest, WhoListensKeepsItsName) {
  const auto listener = ListenAtName(NameOf(path_));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_THAT(Error(path_, absl::StatusCode::kUnavailable),
              HasSubstr("a process of user " + std::to_string(geteuid())));
  Descriptor client;
  EXPECT_EQ(ConnectTo(NameOf(path_), &client), 0);
}

TEST_F(SocketListenerTest, AnAbstractNameIsOnesAlone) {
  const SocketName name =
      NameOf(std::string(1, '\0') + "lauberhorn-test-" + path_);
  {
    const auto listener = ListenAtName(name);
    ASSERT_TRUE(listener.ok()) << listener.status();
    const auto second = ListenAtName(name);
    EXPECT_TRUE(absl::IsUnavailable(second.status()));
    EXPECT_THAT(std::string(second.status().message()),
                HasSubstr("unix-abstract:lauberhorn-test-"));
  }
  EXPECT_TRUE(ListenAtName(name).ok());
}

// A server of gRPC's has a socket of another kind.
TEST_F(SocketListenerTest, WhoListensOtherwiseKeepsItsNameToo) {
  const Descriptor other(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address;
  const socklen_t size = NameOf(path_).ToSockaddr(&address);
  ASSERT_EQ(
      bind(other.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(other.get(), 1), 0);
  EXPECT_THAT(Error(path_, absl::StatusCode::kUnavailable),
              HasSubstr("another kind"));
  EXPECT_TRUE(Exists(path_));
}

TEST_F(SocketListenerTest, WhatIsNoSocketStays) {
  const Descriptor file(open(path_.c_str(), O_CREAT | O_WRONLY, 0600));
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(Error(path_, absl::StatusCode::kUnavailable),
              HasSubstr("no socket; remove it"));
  EXPECT_TRUE(Exists(path_));
  // Nor is a link followed: a server must not remove what is elsewhere.
  const std::string link = folder_.File("link");
  LeaveBehind(folder_.File("stale"));
  ASSERT_EQ(symlink("stale", link.c_str()), 0);
  Error(link, absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Exists(folder_.File("stale")));
}

TEST_F(SocketListenerTest, AFileOfSomebodyElseIsNotRemoved) {
  const std::string moved = folder_.File("moved");
  {
    const auto first = ListenAtName(NameOf(path_));
    ASSERT_TRUE(first.ok());
    ASSERT_EQ(rename(path_.c_str(), moved.c_str()), 0);
    LeaveBehind(path_);
  }
  EXPECT_TRUE(Exists(path_));
  EXPECT_TRUE(Exists(moved));
}

TEST_F(SocketListenerTest, APathIsRelativeToWhereTheProcessIs) {
  EXPECT_TRUE(InChild([&] {
    if (chdir(folder_.path().c_str()) != 0) return false;
    const auto listener = ListenAtName(NameOf("socket"));
    return listener.ok() && Exists(path_) && chdir("/") == 0;
    // And goes, wherever the process is then.
  }));
  EXPECT_FALSE(Exists(path_));
}

TEST_F(SocketListenerTest, SaysWhatIsWrongWithTheFolder) {
  EXPECT_THAT(Error(folder_.File("no/socket"), absl::StatusCode::kUnavailable),
              HasSubstr("make its folder first"));
}

TEST_F(SocketListenerTest, WhatAnotherUserLeftIsNotReplaced) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may become another user";
  LeaveBehind(path_);  // in a folder as /tmp, where each removes its own
  EXPECT_TRUE(InChild(
      [&] {
        EXPECT_THAT(Error(path_, absl::StatusCode::kUnavailable),
                    HasSubstr("Permission denied"));
        // As far as it may connect, it sees that nobody is there.
        return !HasFailure();
      },
      65'534));
  ASSERT_EQ(chmod(path_.c_str(), 0777), 0);
  EXPECT_TRUE(InChild(
      [&] {
        EXPECT_THAT(Error(path_, absl::StatusCode::kPermissionDenied),
                    HasSubstr("user 0 that has ended left the file behind"));
        return !HasFailure();
      },
      65'534));
  EXPECT_TRUE(Exists(path_));
  EXPECT_TRUE(InChild(
      [&] {
        const auto refused = ListenAtName(NameOf("/usr/socket"));
        return absl::IsPermissionDenied(refused.status());
      },
      65'534));
}

// Who cannot have the lock listens all the same, but removes nothing.
TEST_F(SocketListenerTest, ALockThatIsNeverLetGoStopsNoServer) {
  const Descriptor folder(
      open(folder_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(folder.get(), LOCK_EX), 0);
  EXPECT_TRUE(ListenAtName(NameOf(path_)).ok());
  LeaveBehind(path_);
  EXPECT_THAT(Error(path_, absl::StatusCode::kUnavailable),
              HasSubstr("the lock of its folder"));
  EXPECT_TRUE(Exists(path_));
}

// All come at once to what a dead one left; one of them gets it, and has it.
TEST_F(SocketListenerTest, OneOfManyGetsIt) {
  constexpr int kRounds = 20;
  constexpr int kProcesses = 8;
  LeaveBehind(path_);
  for (int round = 0; round < kRounds; ++round) {
    int begin[2], done[2], end[2];
    ASSERT_EQ(pipe(begin), 0);
    ASSERT_EQ(pipe(done), 0);
    ASSERT_EQ(pipe(end), 0);
    for (int number = 0; number < kProcesses; ++number) {
      if (fork() != 0) continue;
      close(begin[1]);
      close(end[1]);
      char byte;
      (void)!read(begin[0], &byte, 1);  // until all are there
      const auto listener = ListenAtName(NameOf(path_));
      byte = listener.ok() ? 'y' : 'n';
      (void)!write(done[1], &byte, 1);
      (void)!read(end[0], &byte, 1);  // until all are done
      _exit(0);
    }
    close(begin[0]);
    close(begin[1]);
    int winners = 0;
    for (int number = 0; number < kProcesses; ++number) {
      char byte = 0;
      ASSERT_EQ(read(done[0], &byte, 1), 1);
      if (byte == 'y') ++winners;
    }
    EXPECT_EQ(winners, 1) << "in round " << round;
    Descriptor client;
    EXPECT_EQ(ConnectTo(NameOf(path_), &client), 0) << "in round " << round;
    close(end[0]);
    close(end[1]);
    close(done[0]);
    close(done[1]);
    while (wait(nullptr) > 0) {
    }
  }
}

}  // namespace
}  // namespace lauberhorn::nic
