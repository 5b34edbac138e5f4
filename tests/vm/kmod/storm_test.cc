// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Processes that attach, park, ring and leave, and are killed whenever it
// happens, under NICs that come and go. Nothing must be left of them: who
// attaches gets an answer, every place is given back, and the module can be
// unloaded.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "abi/host/device.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"
#include "tests/vm/kmod/random.h"
#include "tests/vm/kmod/uring.h"

namespace lauberhorn::kmod {
namespace {

// In a few milliseconds, of CLOCK_MONOTONIC.
std::uint64_t Soon(Random& random) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) + Below(random, 4'000'000);
}

// Parks by a ring, and closes it whether it is done or not.
void ParkByRing(const Device& device, std::uint32_t endpoint, Random& random) {
  CommandRing ring(Below(random, 4) == 0 ? IORING_SETUP_SQPOLL : 0);
  const unsigned entry = Below(random, 4) == 0 ? IOSQE_ASYNC : 0;
  const lh_device_park timed = ParkOnNothing(endpoint, Soon(random));
  const lh_device_park park = ParkOnNothing(endpoint);
  ring.Put(1, device.file(), LH_DEVICE_PARK, &park, entry);
  ring.Call(2, device.file(), LH_DEVICE_PARK, &timed, entry);
  if (Below(random, 2) == 0) ring.Wait();
  lh_device_cancel cancel = {0, endpoint, 0};
  if (Below(random, 4) == 0) {
    static_cast<void>(Call(device.file(), LH_DEVICE_CANCEL, &cancel));
  }
}

// What a thread of a process does for a while; errors are part of it.
void Use(const Device& device, std::uint32_t endpoint, Random random) {
  // No hint page: another thread may unmap it meanwhile.
  lh_device_bind bind = {endpoint, 0, 0};
  if (Below(random, 2) == 0) {
    static_cast<void>(Call(device.file(), LH_DEVICE_BIND, &bind));
  }
  for (std::uint64_t round = Below(random, 20); round > 0; --round) {
    switch (Below(random, 5)) {
      case 0:
        static_cast<void>(device.Ring());
        break;
      case 1:
        static_cast<void>(device.Unbind());
        break;
      case 2:
        static_cast<void>(Call(device.file(), LH_DEVICE_BIND, &bind));
        break;
      case 3:
        ParkByRing(device, endpoint, random);
        break;
      default:
        static_cast<void>(device.Park(endpoint, Soon(random)));
    }
  }
}

// One attachment from its beginning to its end, if nobody comes between.
void Attachment(Random& random) {
  Device device;
  if (device.Attach() != 0 || device.Map() != 0) return;
  std::vector<std::thread> threads;
  for (std::uint32_t endpoint = 0; endpoint < 3; ++endpoint) {
    threads.emplace_back(Use, std::cref(device), endpoint, Random(random()));
  }
  if (Below(random, 4) == 0) device.Unmap();
  if (Below(random, 8) == 0) {
    execl("/bin/sleep", "sleep", "1000", nullptr);
  }
  for (std::thread& thread : threads) thread.join();
}

// Starts a process that attaches again and again. When this returns it has
// nothing of the NIC's, whose life ends with its file.
pid_t Spawn(std::uint64_t seed) {
  int pipe[2];
  EXPECT_EQ(pipe2(pipe, O_CLOEXEC), 0);
  const pid_t child = fork();
  if (child != 0) {
    char none;
    close(pipe[1]);
    EXPECT_EQ(read(pipe[0], &none, 1), 0);  // its end is closed last
    close(pipe[0]);
    return child;
  }
  dup2(pipe[1], 3);
  close_range(4, ~0U, 0);
  close(3);
  Random random(seed);
  for (;;) Attachment(random);
}

// A NIC that answers, wakes whom it knows, and forgets who left.
class StormNic {
 public:
  explicit StormNic(Random& random) : random_(random) {
    NicOptions options;
    options.processes = 3;
    options.scheduler = Below(random_, 4) != 0;
    nic_ = Nic::Started(options);
  }

  // So many events, or turns without one.
  void Serve(std::uint64_t turns) {
    while (turns-- > 0) {
      pollfd wait = {nic_->file(), POLLIN, 0};
      if (poll(&wait, 1, 1) == 1) Handle();
      for (const auto& [place, part] : parts_) Wake(part);
    }
  }

  // Until all have left.
  bool Drain() {
    return Eventually([&] {
      if (!nic_->Quiet()) Handle();
      return parts_.empty() && nic_->Quiet();
    });
  }

 private:
  void Handle() {
    lh_nic_event event;
    if (read(nic_->file(), &event, sizeof(event)) != sizeof(event)) return;
    switch (event.kind) {
      case LH_NIC_EVENT_ATTACH:
        if (Below(random_, 8) == 0) {
          const int error =
              nic_->Answer(event.process, event.generation, EACCES);
          EXPECT_TRUE(error == 0 || error == ENOTCONN);
          // One that has left meanwhile is still to be forgotten.
          if (error == ENOTCONN) parts_[event.process] = Named(event);
        } else {
          const int error = nic_->Answer(event.process, event.generation, 0);
          EXPECT_TRUE(error == 0 || error == ENOTCONN);
          parts_[event.process] = Named(event);
        }
        break;
      case LH_NIC_EVENT_LEFT:
        EXPECT_EQ(parts_.count(event.process), 1U);
        EXPECT_EQ(parts_[event.process].event.generation, event.generation);
        parts_.erase(event.process);
        EXPECT_EQ(nic_->End(event), 0);
        break;
      default:
        EXPECT_EQ(event.kind, __u32{LH_NIC_EVENT_RING});
    }
  }

  static Part Named(const lh_nic_event& event) {
    Part part;
    part.event = event;
    return part;
  }

  void Wake(const Part& part) {
    const auto endpoint = static_cast<std::uint32_t>(Below(random_, 3));
    if (Below(random_, 2) == 0 || nic_->features() == 0) {
      EXPECT_TRUE(nic_->Wake(part, endpoint).has_value());
      return;
    }
    const auto cpu = static_cast<std::uint32_t>(Below(random_, 2));
    nic_->Command(cpu, nic_->Run(part, endpoint));
    EXPECT_TRUE(nic_->CommandAnswer(cpu).has_value());
  }

  Random& random_;
  std::unique_ptr<Nic> nic_;
  std::map<std::uint32_t, Part> parts_;
};

TEST(Storm, NothingIsLeftOfWhomeverItHits) {
  Random random(Seed());
  std::vector<pid_t> children;
  for (int number = 0; number < 4; ++number) {
    children.push_back(Spawn(random()));
  }
  const int kills = IsLong() ? 500 : 50;
  for (int killed = 0; killed < kills;) {
    StormNic nic(random);
    for (std::uint64_t rounds = 1 + Below(random, 20); rounds > 0; --rounds) {
      nic.Serve(Below(random, 20));
      pid_t& victim = children[Below(random, children.size())];
      kill(victim, SIGKILL);
      waitpid(victim, nullptr, 0);
      victim = Spawn(random());
      ++killed;
    }
  }
  StormNic last(random);
  last.Serve(20);
  for (const pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  EXPECT_TRUE(last.Drain());
  EXPECT_EQ(Shown("processes"), "0");
}

TEST(Storm, TheModuleGoesWhenAllIsOver) {
  EXPECT_EQ(Unload(), 0);
  EXPECT_EQ(Load(), 0);
}

}  // namespace
}  // namespace lauberhorn::kmod
