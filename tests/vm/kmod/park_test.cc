// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages over the lanes of a part, the ring, parking and RUN.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/endpoint.h"
#include "abi/host/message.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

using testing::ChannelOf;
using testing::HostChannel;
using testing::TakenMessage;

// Whether the threads that park are bound: both kinds of sleep keep the same.
class Park : public ::testing::TestWithParam<bool> {
 protected:
  static bool bound() { return GetParam(); }

  // A process that attaches, and binds its thread if it is to.
  template <typename Body>
  static std::unique_ptr<Child> Attached(const Body& body) {
    return std::make_unique<Child>([body](const Parent& test) {
      Device device;
      EXPECT_EQ(device.Attach(), 0);
      EXPECT_EQ(device.Map(), 0);
      if (bound()) {
        EXPECT_EQ(device.Bind(0), 0);
      }
      body(test, device);
    });
  }

  // Waits until the thread of the process sleeps.
  static bool Sleeps(const Nic& nic, const Part& part, const Child& child) {
    return bound() ? nic.Becomes(part.event.first_endpoint, LH_ENDPOINT_PARKED)
                   : child.Parks();
  }
};

std::string KindOfSleep(const ::testing::TestParamInfo<bool>& kind) {
  return kind.param ? "Bound" : "Queued";
}
INSTANTIATE_TEST_SUITE_P(All, Park, ::testing::Bool(), KindOfSleep);

// The scheduler tells no device anything as long as this lives.
class DispatchOff {
 public:
  DispatchOff() { Write("0"); }
  ~DispatchOff() { Write("1"); }
  DispatchOff(const DispatchOff&) = delete;
  DispatchOff& operator=(const DispatchOff&) = delete;

 private:
  static void Write(const char* value) {
    std::ofstream file("/sys/kernel/lauberhorn/dispatch");
    file << value << std::flush;
    EXPECT_TRUE(file.good());
  }
};

// Takes the message that is FULL, or will be: parks until then.
TakenMessage TakeParked(const Device& device, std::uint32_t endpoint,
                        HostChannel* channel) {
  lh_lane* const in = &channel->channel().in;
  TakenMessage message;
  while (!channel->Take(&message)) {
    const __u64 parked = lh_park(in);
    if (parked == 0) continue;
    EXPECT_EQ(device.Park(endpoint, channel->next_word(), parked), 0);
    channel->Unpark();
  }
  return message;
}

TEST_P(Park, MessagesGoBothWaysAndWakeWhoSleeps) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent& test, const Device& device) {
    HostChannel serve = device.Channel(0, ChannelOf::kServe);
    const TakenMessage request = TakeParked(device, 0, &serve);
    EXPECT_EQ(request.header.kind, LH_KIND_CALL);
    EXPECT_EQ(request.payload, "request");
    lh_message reply = {};
    reply.kind = LH_KIND_REPLY;
    reply.call = request.header.call;
    reply.length = 5;
    EXPECT_TRUE(serve.Put(reply, "reply"));
    EXPECT_EQ(device.region().asleep, 1U);
    EXPECT_EQ(device.Ring(), 0);
    test.Await('q');
  });
  const Part part = nic->Accept();
  part.region->info()->asleep = 1;
  ASSERT_TRUE(Sleeps(*nic, part, *child));
  lh_lane in = part.region->InLane(0);
  lh_line* line = lh_deliver_begin(&in);
  ASSERT_NE(line, nullptr);
  line->header.kind = LH_KIND_CALL;
  line->header.call = 42;
  line->header.length = 7;
  std::memcpy(line->payload, "request", 7);
  EXPECT_EQ(lh_deliver_end(&in, line), LH_DELIVERED_WAKE);
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_DONE);
  nic->Next(LH_NIC_EVENT_RING);
  lh_lane out = part.region->OutLane(0);
  line = lh_collect_begin(&out);
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->header.kind, LH_KIND_REPLY);
  EXPECT_EQ(line->header.call, 42U);
  EXPECT_EQ(std::memcmp(line->payload, "reply", 5), 0);
  lh_collect_end(&out, line);
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
}

TEST_P(Park, RunThatComesEarlyIsRemembered) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent& test, const Device& device) {
    test.Say('b');
    test.Await('p');
    EXPECT_EQ(device.Park(0), 0);  // nothing has changed
    test.Say('w');
    EXPECT_EQ(device.Park(0), 0);
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(child->Says('b'));
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_EARLY);
  child->Say('p');
  ASSERT_TRUE(child->Says('w'));
  // It is forgotten: the next one sleeps.
  ASSERT_TRUE(Sleeps(*nic, part, *child));
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_DONE);
  EXPECT_TRUE(child->EndsWell());
}

TEST_P(Park, TimePasses) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent&, const Device& device) {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000;
    EXPECT_EQ(device.Park(0, ns), ETIMEDOUT);  // it has passed
    EXPECT_EQ(device.Park(0, ns + 1'100'000'000), ETIMEDOUT);
  });
  nic->Accept();
  EXPECT_TRUE(child->EndsWell());
}

TEST_P(Park, ASignalEndsIt) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent& test, const Device& device) {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    EXPECT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
    EXPECT_EQ(device.Park(0), EINTR);
    test.Say('w');
    test.Await('q');
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(Sleeps(*nic, part, *child));
  kill(child->pid(), SIGUSR1);
  ASSERT_TRUE(child->Says('w'));
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
}

TEST_P(Park, WhoWasStoppedIsWokenWhenItGoesOn) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent&, const Device& device) {
    int error;
    do {
      error = device.Park(0);
    } while (error == EINTR);
    EXPECT_EQ(error, 0);
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(Sleeps(*nic, part, *child));
  kill(child->pid(), SIGSTOP);
  ASSERT_TRUE(Eventually([&] {
    std::ifstream file("/proc/" + std::to_string(child->pid()) + "/wchan");
    std::string text;
    std::getline(file, text);
    return text.find("do_signal_stop") == 0;
  }));
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_EARLY);
  kill(child->pid(), SIGCONT);
  EXPECT_TRUE(child->EndsWell());
}

TEST_P(Park, RunForAnotherGenerationIsStaleAndForNobodyDead) {
  const auto nic = Nic::Started();
  const auto child = Attached([](const Parent& test, const Device&) {
    test.Say('b');
    test.Await('q');
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(child->Says('b'));
  const auto wake = [&](std::uint32_t endpoint, std::uint32_t of) {
    lh_nic_wake command = {};
    command.endpoint = endpoint;
    command.generation = of;
    EXPECT_EQ(nic->Wake(&command), 0);
    return static_cast<lh_kernel_answer>(command.answer);
  };
  const std::uint32_t first = part.event.first_endpoint;
  const std::uint32_t generation = part.event.generation;
  EXPECT_EQ(wake(first, generation + 1), LH_ANSWER_STALE);
  EXPECT_EQ(wake(first + nic->options().endpoints, 1), LH_ANSWER_DEAD);
  EXPECT_EQ(wake(1U << 23, 1), LH_ANSWER_DEAD);
  EXPECT_EQ(wake(~0U, 1), LH_ANSWER_DEAD);
  lh_nic_wake wrong = {};
  wrong.reserved = 1;
  EXPECT_EQ(nic->Wake(&wrong), EINVAL);
  child->Say('q');
  EXPECT_TRUE(child->EndsWell());
  EXPECT_EQ(wake(first, generation), LH_ANSWER_DEAD);
  EXPECT_EQ(nic->End(nic->Next(LH_NIC_EVENT_LEFT)), 0);
  EXPECT_EQ(wake(first, generation), LH_ANSWER_DEAD);
}

TEST(Queue, RunWakesOneOfThoseWhoSleep) {
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    std::atomic<int> awake = 0;
    const auto sleep = [&] {
      EXPECT_EQ(device.Park(1), 0);
      if (++awake == 1) test.Say('1');
    };
    std::thread first(sleep);
    std::thread second(sleep);
    test.Await('q');
    EXPECT_EQ(awake, 1);
    test.Say('r');
    first.join();
    second.join();
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(child.Parks(2));
  EXPECT_EQ(nic->Wake(part, 1), LH_ANSWER_DONE);
  ASSERT_TRUE(child.Says('1'));
  child.Say('q');
  ASSERT_TRUE(child.Says('r'));
  ASSERT_TRUE(child.Parks(1));
  EXPECT_EQ(nic->Wake(part, 1), LH_ANSWER_DONE);
  EXPECT_TRUE(child.EndsWell());
}

TEST(Bind, OneThreadAndOneEndpoint) {
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Unbind(), ENOENT);
    EXPECT_EQ(device.Bind(2), 0);
    test.Say('b');
    test.Await('u');
    EXPECT_EQ(device.Bind(2), EALREADY);
    EXPECT_EQ(device.Bind(3), EALREADY);
    std::thread([&] {
      EXPECT_EQ(device.Bind(2), EBUSY);
      EXPECT_EQ(device.Park(2), EBUSY);
      EXPECT_EQ(device.Unbind(), ENOENT);
      EXPECT_EQ(device.Bind(3), 0);
    }).join();
    EXPECT_EQ(device.Unbind(), 0);
    EXPECT_EQ(device.Unbind(), ENOENT);
    test.Say('e');
    test.Await('q');
    // Its thread is gone: it is free for another.
    EXPECT_EQ(device.Bind(3), 0);
  });
  const Part part = nic->Accept();
  const std::uint32_t first = part.event.first_endpoint;
  ASSERT_TRUE(child.Says('b'));
  EXPECT_TRUE(nic->Becomes(first + 2, LH_ENDPOINT_BLOCKED));
  child.Say('u');
  ASSERT_TRUE(child.Says('e'));
  EXPECT_TRUE(nic->Becomes(first + 2, LH_ENDPOINT_UNBOUND));
  EXPECT_TRUE(nic->Becomes(first + 3, LH_ENDPOINT_DEAD));
  EXPECT_EQ(nic->Wake(part, 3), LH_ANSWER_DEAD);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
}

TEST(Bind, WhenDispatchIsTurnedOffThreadsGoOnWithout) {
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Map(), 0);
    EXPECT_EQ(device.Bind(0), 0);
    EXPECT_EQ(device.Park(0), 0);
    test.Say('w');
    test.Await('p');
    EXPECT_EQ(device.Bind(0), EOPNOTSUPP);
    EXPECT_EQ(device.Park(0), 0);
    test.Say('w');
    test.Await('b');
    EXPECT_EQ(device.Bind(0), 0);
    EXPECT_EQ(device.Park(0), 0);
  });
  const Part part = nic->Accept();
  const std::uint32_t first = part.event.first_endpoint;
  ASSERT_TRUE(nic->Becomes(first, LH_ENDPOINT_PARKED));
  {
    const DispatchOff off;
    ASSERT_TRUE(child.Says('w'));
    EXPECT_EQ(nic->State(first), LH_ENDPOINT_UNBOUND);
    child.Say('p');
    ASSERT_TRUE(child.Parks());
    EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_DONE);
    ASSERT_TRUE(child.Says('w'));
  }
  child.Say('b');
  ASSERT_TRUE(nic->Becomes(first, LH_ENDPOINT_PARKED));
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_DONE);
  EXPECT_TRUE(child.EndsWell());
}

TEST(Bind, NotWhereTheNicIsToldNothing) {
  NicOptions options;
  options.scheduler = false;
  const auto nic = Nic::Started(options);
  EXPECT_EQ(nic->features(), 0U);
  EXPECT_EQ(nic->Interrupt(0), EOPNOTSUPP);
  Child child([](const Parent&) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Bind(0), EOPNOTSUPP);
    EXPECT_EQ(device.Park(0), 0);
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(child.Parks());
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_DONE);
  EXPECT_TRUE(child.EndsWell());
}

TEST(Ring, ManyAreOne) {
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    for (int ring = 0; ring < 100; ++ring) EXPECT_EQ(device.Ring(), 0);
    test.Say('r');
    test.Await('q');
  });
  nic->Accept();
  ASSERT_TRUE(child.Says('r'));
  nic->Next(LH_NIC_EVENT_RING);
  EXPECT_TRUE(nic->Quiet());
  lh_nic_event event;
  EXPECT_EQ(read(nic->file(), &event, sizeof(event) - 1), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(read(nic->file(), &event, sizeof(event)), -1);
  EXPECT_EQ(errno, EAGAIN);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
}

}  // namespace
}  // namespace lauberhorn::kmod
