// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// How processes end, and to whom their attachment belongs: kill -9 in each
// state, fork, exec, vfork, files that went elsewhere.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/endpoint.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

class Death : public ::testing::Test {
 protected:
  // A process that attaches, says so, and does as `body` says.
  std::unique_ptr<Child> Attached(
      const std::function<void(const Parent&, Device&)>& body) {
    auto child = std::make_unique<Child>([&body](const Parent& test) {
      Device device;
      EXPECT_EQ(device.Attach(), 0);
      EXPECT_EQ(device.Map(), 0);
      test.Say('a');
      body(test, device);
    });
    part_ = nic_->Accept();
    EXPECT_TRUE(child->Says('a'));
    return child;
  }

  // The process is gone: the NIC is told, and then another gets the place.
  void ExpectLeft() {
    const lh_nic_event event = nic_->Next(LH_NIC_EVENT_LEFT);
    EXPECT_EQ(event.process, part_.event.process);
    EXPECT_EQ(event.generation, part_.event.generation);
    EXPECT_EQ(nic_->Wake(part_, 0), LH_ANSWER_DEAD);
    EXPECT_EQ(nic_->End(event), 0);
    const Part before = std::move(part_);
    const auto next =
        Attached([](const Parent& test, Device&) { test.Await('q'); });
    EXPECT_EQ(part_.event.process, before.event.process);
    EXPECT_EQ(part_.event.generation, before.event.generation + 1);
    EXPECT_EQ(nic_->Wake(before, 0), LH_ANSWER_STALE);
    next->Say('q');
    EXPECT_TRUE(next->EndsWell());
    EXPECT_EQ(nic_->End(nic_->Next(LH_NIC_EVENT_LEFT)), 0);
    EXPECT_TRUE(nic_->Quiet());
  }

  bool Becomes(lh_endpoint_state state) const {
    return nic_->Becomes(part_.event.first_endpoint, state);
  }

  const std::unique_ptr<Nic> nic_ = Nic::Started();
  Part part_;
};

// What a process that has somebody else's file may do: nothing.
void ExpectNotMine(int file) {
  alignas(8) std::uint64_t word = 5;
  lh_device_info info;
  lh_device_attach attach = {};
  lh_device_bind bind = {};
  lh_device_park park = {reinterpret_cast<std::uintptr_t>(&word), 5, 1, 0, 0};
  EXPECT_EQ(Call(file, LH_DEVICE_INFO, &info), EPERM);
  EXPECT_EQ(Call(file, LH_DEVICE_ATTACH, &attach), EPERM);
  EXPECT_EQ(Call(file, LH_DEVICE_BIND, &bind), EPERM);
  EXPECT_EQ(Call(file, LH_DEVICE_UNBIND, nullptr), EPERM);
  EXPECT_EQ(Call(file, LH_DEVICE_PARK, &park), EPERM);
  EXPECT_EQ(Call(file, LH_DEVICE_RING, nullptr), EPERM);
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0), MAP_FAILED);
  EXPECT_EQ(errno, EPERM);
}

void SendFile(int socket, int file) {
  char letter = 'f';
  iovec data = {&letter, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &file, sizeof(file));
  EXPECT_EQ(sendmsg(socket, &message, 0), 1);
}

int ReceiveFile(int socket) {
  char letter = 0;
  iovec data = {&letter, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  EXPECT_EQ(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return -1;
  int file = -1;
  std::memcpy(&file, CMSG_DATA(header), sizeof(file));
  return file;
}

// Runs `body` in a process that this one forks, and waits for its end.
void InFork(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    std::fflush(nullptr);
    std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Death, KilledWhileItParksBound) {
  const auto child = Attached([](const Parent&, Device& device) {
    EXPECT_EQ(device.Bind(0), 0);
    device.Park(0);
  });
  ASSERT_TRUE(Becomes(LH_ENDPOINT_PARKED));
  child->Kill();
  EXPECT_EQ(nic_->State(part_.event.first_endpoint), LH_ENDPOINT_DEAD);
  ExpectLeft();
}

TEST_F(Death, KilledWhileItParksInTheQueue) {
  const auto child =
      Attached([](const Parent&, Device& device) { device.Park(0); });
  ASSERT_TRUE(child->Parks());
  child->Kill();
  ExpectLeft();
}

TEST_F(Death, KilledWhileItRuns) {
  const auto child = Attached([](const Parent& test, Device& device) {
    EXPECT_EQ(device.Bind(0), 0);
    test.Say('b');
    for (;;) lh_load_acquire(&device.region().status);
  });
  ASSERT_TRUE(child->Says('b'));
  child->Kill();
  ExpectLeft();
}

TEST_F(Death, KilledWithManyThreads) {
  const auto child = Attached([](const Parent& test, Device& device) {
    std::thread threads[3];
    for (std::uint32_t number = 0; number < 3; ++number) {
      threads[number] = std::thread([&device, number] {
        EXPECT_EQ(device.Bind(number), 0);
        device.Park(number);
      });
    }
    test.Await('q');
  });
  for (std::uint32_t number = 0; number < 3; ++number) {
    ASSERT_TRUE(
        nic_->Becomes(part_.event.first_endpoint + number, LH_ENDPOINT_PARKED));
  }
  child->Kill();
  ExpectLeft();
}

TEST_F(Death, KilledBeforeTheAnswer) {
  Child child([](const Parent&) { Device().Attach(); });
  part_.event = nic_->Next(LH_NIC_EVENT_ATTACH);
  child.Kill();
  EXPECT_EQ(nic_->Answer(part_.event.process, part_.event.generation, 0),
            ENOTCONN);
  ExpectLeft();
}

TEST_F(Death, KilledBeforeTheNicWasTold) {
  Child child([](const Parent& test) {
    test.Say('s');
    Device().Attach();
  });
  ASSERT_TRUE(child.Says('s'));
  ASSERT_TRUE(Eventually([&] { return !nic_->Quiet(); }));
  child.Kill();
  // It never hears of it: what it is told next is the next.
  const auto next =
      Attached([](const Parent& test, Device&) { test.Await('q'); });
  EXPECT_EQ(part_.event.generation, 2U);
}

TEST_F(Death, AnEndlessSignalDoesNotAttach) {
  Child child([](const Parent& test) {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    EXPECT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
    Device device;
    test.Say('s');
    EXPECT_EQ(device.Attach(), EINTR);
    test.Say('i');
    EXPECT_EQ(device.Attach(), 0);  // goes on waiting
  });
  ASSERT_TRUE(child.Says('s'));
  const lh_nic_event event = nic_->Next(LH_NIC_EVENT_ATTACH);
  kill(child.pid(), SIGUSR1);
  ASSERT_TRUE(child.Says('i'));
  nic_->Accept(event);
  EXPECT_TRUE(child.EndsWell());
}

TEST_F(Death, AForkedChildHasNothing) {
  const auto child = Attached([](const Parent& test, Device& device) {
    EXPECT_EQ(device.Bind(0), 0);
    InFork([&device] {
      ExpectNotMine(device.file());
      std::ifstream maps("/proc/self/maps");
      const std::string text((std::istreambuf_iterator<char>(maps)), {});
      EXPECT_EQ(text.find("lauberhorn"), std::string::npos) << text;
    });
    // Nothing of it ended with the child.
    test.Say('p');
    EXPECT_EQ(device.Park(0), 0);
  });
  ASSERT_TRUE(child->Says('p'));
  ASSERT_TRUE(Becomes(LH_ENDPOINT_PARKED));
  EXPECT_TRUE(nic_->Quiet());
  EXPECT_EQ(nic_->Wake(part_, 0), LH_ANSWER_DONE);
  EXPECT_TRUE(child->EndsWell());
  ExpectLeft();
}

TEST_F(Death, AForkedChildThatLivesOnHoldsNothing) {
  const auto child = Attached([](const Parent& test, Device&) {
    const pid_t other = fork();
    if (other == 0) {
      pause();
      std::_Exit(0);
    }
    EXPECT_EQ(write(test.socket(), &other, sizeof(other)),
              static_cast<ssize_t>(sizeof(other)));
    test.Await('q');
  });
  pid_t other = 0;
  ASSERT_EQ(read(child->socket(), &other, sizeof(other)),
            static_cast<ssize_t>(sizeof(other)));
  child->Kill();
  ExpectLeft();
  kill(other, SIGKILL);
}

TEST_F(Death, ExecEndsIt) {
  const auto child = Attached([](const Parent&, Device& device) {
    EXPECT_EQ(device.Bind(0), 0);
    EXPECT_EQ(fcntl(device.file(), F_SETFD, 0), 0);  // the file stays open
    execl("/bin/sleep", "sleep", "1000", nullptr);
  });
  ASSERT_TRUE(Becomes(LH_ENDPOINT_DEAD));
  ExpectLeft();
  child->Kill();
  EXPECT_TRUE(nic_->Quiet());
}

TEST_F(Death, AVforkedChildSharesIt) {
  const auto child = Attached([](const Parent& test, Device& device) {
    EXPECT_EQ(device.Bind(0), 0);
    const pid_t other = vfork();
    if (other == 0) {
      lh_device_bind bind = {1, 0, 0};
      const bool right = Call(device.file(), LH_DEVICE_RING, nullptr) == 0 &&
                         Call(device.file(), LH_DEVICE_BIND, &bind) == 0;
      if (!right) _exit(1);
      execl("/bin/true", "true", nullptr);
      _exit(2);
    }
    int status = 0;
    EXPECT_EQ(waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0);
    test.Say('v');
    test.Await('q');
  });
  nic_->Next(LH_NIC_EVENT_RING);
  ASSERT_TRUE(child->Says('v'));
  EXPECT_TRUE(nic_->Quiet());
  EXPECT_EQ(nic_->State(part_.event.first_endpoint + 1), LH_ENDPOINT_DEAD);
  EXPECT_EQ(nic_->Wake(part_, 0), LH_ANSWER_EARLY);
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
  ExpectLeft();
}

TEST_F(Death, WhoWasGivenTheFileHasNothing) {
  const auto child = Attached([](const Parent& test, Device& device) {
    SendFile(test.socket(), device.file());
    test.Await('q');
  });
  const int file = ReceiveFile(child->socket());
  ASSERT_GE(file, 0);
  ExpectNotMine(file);
  // Nor does the owner live on in it.
  child->Kill();
  ExpectLeft();
  ExpectNotMine(file);
  close(file);
  EXPECT_TRUE(nic_->Quiet());
}

TEST_F(Death, AFileThatWasOpenedForAnotherIsNotAttached) {
  Child child([](const Parent& test) {
    const int file = ReceiveFile(test.socket());
    ExpectNotMine(file);
  });
  Device device;
  SendFile(child.socket(), device.file());
  EXPECT_TRUE(child.EndsWell());
  EXPECT_TRUE(nic_->Quiet());
}

TEST_F(Death, TheNicsFileIsItsOwn) {
  Child child([](const Parent& test) {
    const int file = ReceiveFile(test.socket());
    lh_nic_end end = {};
    lh_nic_event event;
    EXPECT_EQ(Call(file, LH_NIC_END, &end), EPERM);
    EXPECT_EQ(read(file, &event, sizeof(event)), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0), MAP_FAILED);
    EXPECT_EQ(errno, EPERM);
  });
  SendFile(child.socket(), nic_->file());
  EXPECT_TRUE(child.EndsWell());
}

TEST_F(Death, WhoUnmapsAllHasLeft) {
  const auto child = Attached([](const Parent& test, Device& device) {
    device.Unmap();
    test.Say('u');
    EXPECT_EQ(device.Map(), ENOTCONN);
    EXPECT_EQ(device.Ring(), ENOTCONN);
    EXPECT_EQ(device.Bind(0), ENOTCONN);
    EXPECT_EQ(device.Attach(), ENOTCONN);
    test.Await('q');
  });
  ASSERT_TRUE(child->Says('u'));
  ExpectLeft();
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
}

TEST_F(Death, AThreadThatStaysBoundKeepsThePlace) {
  const auto child = Attached([](const Parent& test, Device& device) {
    EXPECT_EQ(device.Bind(0), 0);
    device.Unmap();
    test.Say('u');
    test.Await('e');
    EXPECT_EQ(device.Unbind(), 0);
    test.Say('e');
    test.Await('q');
  });
  ASSERT_TRUE(child->Says('u'));
  const Part before = std::move(part_);
  EXPECT_EQ(nic_->End(nic_->Next(LH_NIC_EVENT_LEFT)), 0);
  const auto stay = [](const Parent& test, Device&) { test.Await('q'); };
  {
    const auto next = Attached(stay);
    EXPECT_NE(part_.event.process, before.event.process);
  }
  EXPECT_EQ(nic_->End(nic_->Next(LH_NIC_EVENT_LEFT)), 0);
  child->Say('e');
  ASSERT_TRUE(child->Says('e'));
  const auto next = Attached(stay);
  EXPECT_EQ(part_.event.process, before.event.process);
  EXPECT_EQ(part_.event.generation, before.event.generation + 1);
}

}  // namespace
}  // namespace lauberhorn::kmod
