// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Two ends that share a host, but not all of its namespaces, as containers do:
// which ways they have to each other's memory.

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "nic/host_wire.h"
#include "nic/testing/local_peers.h"
#include "nic/testing/temporary_folder.h"
#include "nic/udp_wire.h"
#include "nic/unix_wire.h"

namespace lauberhorn::nic {
namespace {

using testing::Came;
using testing::LoopbackAddress;
using testing::MakeHostWire;
using testing::SendTo;
using testing::TemporaryFolder;
using testing::WireInbox;

// What a client in other namespaces finds.
enum Found : int { kNobody = 10, kLink, kNoNamespace };

class NamespacesTest : public ::testing::Test {
 protected:
  static std::unique_ptr<UnixWire> Listen(const SocketName& name) {
    auto wire = UnixWire::Listen(name);
    EXPECT_TRUE(wire.ok()) << wire.status();
    return *std::move(wire);
  }

  // Runs the client in namespaces of its own, and the server `inbox` meanwhile.
  // `set_up` is called there first.
  static int Run(
      int namespaces, WireInbox& inbox, Wire& server,
      const std::function<int()>& client,
      const std::function<bool()>& set_up = [] { return true; }) {
    const pid_t outer = fork();
    if (outer == 0) {
      if (unshare(namespaces) != 0) _exit(kNoNamespace);
      // Of processes only a child is in the new one.
      const pid_t inner = fork();
      if (inner == 0) {
        if (!set_up()) _exit(kNoNamespace);
        _exit(client());
      }
      int status;
      _exit(waitpid(inner, &status, 0) == inner && WIFEXITED(status)
                ? WEXITSTATUS(status)
                : 1);
    }
    int status = 0;
    while (waitpid(outer, &status, WNOHANG) == 0) {
      inbox.Turn();
      while (!inbox.came().empty()) {
        const Came came = inbox.Next();
        SendTo(server, came.from, LH_PACKET_REPLY, came.number + 1);
      }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  }

  // To the server's port.
  int ByPort() {
    return Run(
        namespaces_, at_port_, *port_,
        [this] {
          const auto wire = MakeHostWire(UdpWire::Open());
          WireInbox inbox(*wire);
          SendTo(*wire, port_->local(), LH_PACKET_HELLO, 1);
          while (wire->links() == 0) inbox.Turn();
          SendTo(*wire, port_->local(), LH_PACKET_CALL, 7);
          Came reply = inbox.Next();
          while (reply.number != 8) reply = inbox.Next();
          return reply.linked ? kLink : kNobody;
        },
        set_up_);
  }
  int BySocket(const SocketName& name) {
    const auto server = Listen(name);
    WireInbox at_server(*server);
    return Run(
        namespaces_, at_server, *server,
        [&name] {
          const auto wire = *UnixWire::Open();
          WireInbox inbox(*wire);
          SendTo(*wire, wire->AddressOf(name), LH_PACKET_CALL, 7);
          if (!wire->Unreachable().empty()) return kNobody;
          return inbox.Next().number == 8 ? kLink : kNobody;
        },
        set_up_);
  }
  int ByPath() { return BySocket(path_); }
  int ByAbstractName() { return BySocket(abstract_name_); }

  static SocketName NameOf(const std::string& bytes) {
    return *SocketName::From(bytes);
  }

  // Whether the test may have these; else it is to be skipped.
  bool Have(int namespaces) {
    namespaces_ = namespaces;
    return Run(namespaces, at_port_, *port_, [] { return 0; }) == 0;
  }

  const TemporaryFolder folder_;
  const SocketName path_ = NameOf(folder_.File("socket"));
  const SocketName abstract_name_ =
      NameOf(std::string(1, '\0') + folder_.File("socket"));
  int namespaces_ = 0;
  std::function<bool()> set_up_ = [] { return true; };
  std::unique_ptr<HostWire> port_ =
      MakeHostWire(UdpWire::Bind(LoopbackAddress()));
  WireInbox at_port_{*port_};
};

#define SKIP_WITHOUT(namespaces) \
  if (!Have(namespaces)) GTEST_SKIP() << "no new namespace may be made here"

TEST_F(NamespacesTest, OfUsersDoNotMatter) {
  SKIP_WITHOUT(CLONE_NEWUSER);
  EXPECT_EQ(ByPort(), kLink);
  EXPECT_EQ(ByAbstractName(), kLink);
}

// A peer that has no name here is heard to end by its socket.
TEST_F(NamespacesTest, OfProcessesDoNotMatter) {
  SKIP_WITHOUT(CLONE_NEWPID);
  EXPECT_EQ(ByPort(), kLink);
  EXPECT_EQ(ByPath(), kLink);
  EXPECT_EQ(ByAbstractName(), kLink);
  while (at_port_.gone().empty()) at_port_.Turn();
}

// With another /tmp there.
TEST_F(NamespacesTest, OfMountsMatterToPaths) {
  SKIP_WITHOUT(CLONE_NEWNS);
  EXPECT_EQ(ByPath(), kLink);
  set_up_ = [this] {
    return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           mount("none", folder_.path().c_str(), "tmpfs", 0, nullptr) == 0;
  };
  EXPECT_EQ(ByPath(), kNobody);
  EXPECT_EQ(ByAbstractName(), kLink);
  EXPECT_EQ(ByPort(), kLink);
}

// A port is of another network there, so nobody is asked for a door.
TEST_F(NamespacesTest, OfNetworksMatterToAllButPaths) {
  SKIP_WITHOUT(CLONE_NEWNET);
  EXPECT_EQ(ByPath(), kLink);
  EXPECT_EQ(ByAbstractName(), kNobody);
}

// As a container that shares a folder with another one, and nothing else.
TEST_F(NamespacesTest, ASharedFolderIsEnough) {
  constexpr int kAll =
      CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  SKIP_WITHOUT(kAll);
  EXPECT_EQ(ByPath(), kLink);
  EXPECT_EQ(ByAbstractName(), kNobody);
}

}  // namespace
}  // namespace lauberhorn::nic
