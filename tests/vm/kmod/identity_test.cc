// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What the NIC is told of whose a process is: user, group and namespaces of
// whoever opened the node, whatever becomes of it.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"
#include "tests/vm/kmod/user.h"

namespace lauberhorn::kmod {
namespace {

// The inode of a namespace of a process.
__u32 Namespace(const std::string& process, const std::string& kind) {
  struct stat about = {};
  EXPECT_EQ(stat(("/proc/" + process + "/ns/" + kind).c_str(), &about), 0);
  return static_cast<__u32>(about.st_ino);
}

// What the NIC is told of a process that does `before`, opens the node, does
// `after`, and attaches; and the namespaces that it had meanwhile.
struct Told {
  lh_nic_event attach;
  lh_nic_event left;
  __u32 users;
  __u32 network;
};

template <typename Before, typename After>
Told Tell(Nic* nic, const Before& before, const After& after) {
  Told told = {};
  Child child([&](const Parent& test) {
    before();
    test.Say('b');
    test.Await('o');
    Device device;
    after();
    EXPECT_EQ(device.Attach(), 0);
    test.Say('a');
    test.Await('q');
  });
  EXPECT_TRUE(child.Says('b'));
  told.users = Namespace(std::to_string(child.pid()), "user");
  told.network = Namespace(std::to_string(child.pid()), "net");
  child.Say('o');
  told.attach = nic->Next(LH_NIC_EVENT_ATTACH);
  EXPECT_EQ(told.attach.pid, static_cast<__u32>(child.pid()));
  nic->Accept(told.attach);
  EXPECT_TRUE(child.Says('a'));
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
  told.left = nic->Next(LH_NIC_EVENT_LEFT);
  EXPECT_EQ(nic->End(told.left), 0);
  return told;
}

void Nothing() {}

void ExpectIdentity(const lh_nic_event& event, uid_t user, const Told& told,
                    __u32 flags) {
  EXPECT_EQ(event.uid, user);
  EXPECT_EQ(event.gid, user);
  EXPECT_EQ(event.users, told.users);
  EXPECT_EQ(event.network, told.network);
  EXPECT_EQ(event.flags, flags);
  EXPECT_EQ(event.reserved, 0U);
}

void ExpectIdentity(const Told& told, uid_t user, __u32 flags) {
  ExpectIdentity(told.attach, user, told, flags);
  ExpectIdentity(told.left, user, told, flags);
}

TEST(Identity, OfRootInTheFirstNamespaces) {
  const auto nic = Nic::Started();
  const Told told = Tell(nic.get(), Nothing, Nothing);
  ExpectIdentity(told, 0, 0);
  EXPECT_EQ(told.attach.users, Namespace("self", "user"));
  EXPECT_EQ(told.attach.network, Namespace("self", "net"));
}

TEST(Identity, OfAUser) {
  const auto nic = Nic::Started();
  const OpenToAll open_to_all;
  ExpectIdentity(Tell(
                     nic.get(), [] { BecomeUser(1000); }, Nothing),
                 1000, 0);
}

TEST(Identity, OfANetwork) {
  const auto nic = Nic::Started();
  const Told told = Tell(
      nic.get(), [] { EXPECT_EQ(unshare(CLONE_NEWNET), 0); }, Nothing);
  ExpectIdentity(told, 0, LH_NIC_EVENT_OTHER_NETWORK);
  EXPECT_NE(told.attach.network, Namespace("self", "net"));
}

// Whoever calls itself root there is who it is here.
TEST(Identity, OfRootInANamespaceOfItsOwn) {
  const auto nic = Nic::Started();
  const OpenToAll open_to_all;
  const Told told = Tell(
      nic.get(),
      [] {
        BecomeUser(1000);
        // Its files in /proc are its own again.
        EXPECT_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
        EXPECT_EQ(unshare(CLONE_NEWUSER | CLONE_NEWNET), 0);
        std::ofstream("/proc/self/setgroups") << "deny" << std::flush;
        std::ofstream("/proc/self/uid_map") << "0 1000 1" << std::flush;
        std::ofstream("/proc/self/gid_map") << "0 1000 1" << std::flush;
        EXPECT_EQ(geteuid(), 0U);
        EXPECT_EQ(getegid(), 0U);
      },
      Nothing);
  ExpectIdentity(told, 1000,
                 LH_NIC_EVENT_OTHER_USERS | LH_NIC_EVENT_OTHER_NETWORK);
  EXPECT_NE(told.attach.users, Namespace("self", "user"));
  EXPECT_NE(told.attach.network, Namespace("self", "net"));
}

TEST(Identity, IsThatOfWhoOpened) {
  const auto nic = Nic::Started();
  const Told told = Tell(nic.get(), Nothing, [] {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    BecomeUser(1000);
    EXPECT_EQ(unshare(CLONE_NEWUSER), 0);
  });
  ExpectIdentity(told, 0, 0);
}

// Its namespaces live as long as it does: no other gets their inodes, which go
// to the next namespace as soon as they are free.
TEST(Identity, KeepsTheNetworkThatItLeft) {
  const auto nic = Nic::Started();
  Child child([](const Parent&) {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    const __u32 opened_in = Namespace("self", "net");
    Device device;
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    EXPECT_EQ(device.Attach(), 0);
    for (int others = 0; others < 40; ++others) {
      EXPECT_EQ(unshare(CLONE_NEWNET), 0);
      EXPECT_NE(Namespace("self", "net"), opened_in);
    }
  });
  nic->Accept();
  EXPECT_TRUE(child.EndsWell());
}

}  // namespace
}  // namespace lauberhorn::kmod
