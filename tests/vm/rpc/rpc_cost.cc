// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// RPCs whose kernel instructions tests/vm/rpc_cost counts, in a guest with the
// module and two CPUs. The server is on one, with nothing else; the NIC, played
// by the test, and the client of a UDP socket are on the other. Each request is
// of 64 bytes and is answered with as many; one is under way at a time. It
// comes in one of four ways:
//
//   direct     the server's thread looks at its slot
//   channel    it is parked, and RUN is in the kernel channel of its CPU, which
//              is idle and looks there
//   interrupt  the same, but the CPU sleeps, and is interrupted for its channel
//   udp        it waits in recvmsg() of a socket, and answers with sendmsg()
//
// The thread waits as the library's threads do: lh_get(), with PARK to sleep.
// Where the handler begins it calls instructions at addresses that no other
// program has, so that a log of the CPU shows it.
//
// Says "open" when all have begun, goes on when there is a file named $OPENED,
// says which way comes next, and "close" after the last answer.
#include <arpa/inet.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "abi/host/cpu.h"
#include "abi/host/message.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/nic.h"

namespace lauberhorn::kmod {
namespace {

constexpr std::uint32_t kOtherCpu = 0;
constexpr std::uint32_t kServerCpu = 1;
constexpr int kRounds = 250;
constexpr std::uint32_t kBytes = 64;
constexpr in_port_t kPort = 7000;

// How often the other side looks away before the next request.
constexpr int kThink = 200;

// The same in tests/vm/rpc_trace.py; the number of the way is added.
constexpr std::uintptr_t kMarks = std::uintptr_t{1} << 40;

enum Way : std::uint8_t { kDirect = 1, kChannel, kInterrupt, kUdp };

void MapMarks() {
  constexpr std::size_t kSize = 4096;
  constexpr int kReturn = 0xc3;
  void* const page =
      mmap(reinterpret_cast<void*>(kMarks), kSize, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(page, reinterpret_cast<void*>(kMarks));
  std::memset(page, kReturn, kSize);
  ASSERT_EQ(mprotect(page, kSize, PROT_READ | PROT_EXEC), 0);
}

void CallMark(std::uint8_t number) {
  reinterpret_cast<void (*)()>(kMarks + number)();
}

// The second one keeps two handlers apart between which the log has nothing.
void Mark(std::uint8_t way) {
  CallMark(way);
  CallMark(0);
}

// One CPU after the other is emulated: this is where the next one goes on.
void Pause() { __builtin_ia32_pause(); }

void Think() {
  for (int look = 0; look < kThink; ++look) Pause();
}

void RunOn(std::uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  EXPECT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

// The server behind the device.

struct Waiting {
  const Device& device;
  bool looks;
};

int Look(void* waiting) {
  Pause();
  return static_cast<Waiting*>(waiting)->looks;
}

int Sleep(void* waiting, __u64* word, __u64 parked) {
  EXPECT_EQ(static_cast<Waiting*>(waiting)->device.Park(0, word, parked), 0);
  return 1;
}

void Ring(void* waiting) { static_cast<Waiting*>(waiting)->device.Ring(); }

[[noreturn]] void ServeDevice(const Device& device) {
  testing::HostChannel serve = device.Channel(0, testing::ChannelOf::kServe);
  lh_channel& channel = serve.channel();
  Waiting waiting = {.device = device, .looks = true};
  const lh_waiter waiter = {&Look, &Sleep, &Ring, &waiting};
  for (;;) {
    lh_line* const request = lh_get(&channel.in, &waiter);
    if (request == nullptr) std::_Exit(1);
    const std::uint8_t way = request->payload[0];
    Mark(way);
    waiting.looks = request->payload[1] == kDirect;
    lh_line* const reply = lh_put_begin(&channel.out);
    reply->header = {};
    reply->header.kind = LH_KIND_REPLY;
    reply->header.call = request->header.call;
    reply->header.length = kBytes;
    std::memcpy(reply->payload, request->payload, kBytes);
    lh_release(&channel.in, request);
    lh_put(&channel, reply, &waiter);
  }
}

// What the NIC sees and does.
class Caller {
 public:
  Caller(Nic* nic, const Part& part)
      : nic_(nic),
        part_(part),
        in_(part.region->InLane(0)),
        out_(part.region->OutLane(0)) {}

  // `next` is the way in which the next request will come.
  void Call(Way way, Way next) {
    while (way != kDirect && !ServerSleeps()) Pause();
    Think();
    lh_line* const request = lh_deliver_begin(&in_);
    ASSERT_NE(request, nullptr);
    request->header.kind = LH_KIND_CALL;
    request->header.call = 42;
    request->header.length = kBytes;
    std::memset(request->payload, way, kBytes);
    request->payload[1] = next;
    const lh_delivery delivery = lh_deliver_end(&in_, request);
    ASSERT_EQ(delivery, way == kDirect ? LH_DELIVERED : LH_DELIVERED_WAKE);
    if (way != kDirect) {
      nic::KernelCommand run = nic_->Run(part_, 0);
      run.cpu = kServerCpu;
      nic_->Command(kServerCpu, run);
    }
    lh_line* reply;
    while ((reply = lh_collect_begin(&out_)) == nullptr) Pause();
    ASSERT_EQ(reply->header.kind, LH_KIND_REPLY);
    ASSERT_EQ(reply->payload[kBytes - 1], way);
    lh_collect_end(&out_, reply);
    if (way == kDirect) return;
    const std::optional<nic::KernelAnswer> answer = nic_->AnswerNow(kServerCpu);
    ASSERT_TRUE(answer.has_value());
    ASSERT_EQ(answer->code, LH_ANSWER_DONE);
  }

 private:
  bool ServerSleeps() const {
    const __u64 word =
        lh_load_acquire(&nic_->region().cpu(kServerCpu)->state.word);
    const __u64 mode =
        word >> LH_CPU_MODE_SHIFT & ((1U << LH_CPU_MODE_BITS) - 1);
    return (mode == LH_CPU_IDLE || mode == LH_CPU_IDLE_WAIT) &&
           nic_->State(part_.event.first_endpoint) == LH_ENDPOINT_PARKED;
  }

  Nic* const nic_;
  const Part& part_;
  lh_lane in_;
  lh_lane out_;
};

// The server of a socket, and its client.

// A datagram, and who sent it or is to get it.
struct Datagram {
  std::uint8_t bytes[kBytes] = {};
  sockaddr_in address = {};
  iovec vector = {bytes, sizeof(bytes)};
  msghdr message = {};

  Datagram() {
    message.msg_name = &address;
    message.msg_namelen = sizeof(address);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
};

[[noreturn]] void ServeSocket(int socket) {
  Datagram datagram;
  for (;;) {
    if (recvmsg(socket, &datagram.message, 0) != kBytes) std::_Exit(1);
    Mark(datagram.bytes[0]);
    if (sendmsg(socket, &datagram.message, 0) != kBytes) std::_Exit(1);
  }
}

void CallSocket(int socket) {
  Think();
  Datagram datagram;
  std::memset(datagram.bytes, kUdp, kBytes);
  ASSERT_EQ(sendmsg(socket, &datagram.message, 0), kBytes);
  std::memset(datagram.bytes, 0, kBytes);
  ASSERT_EQ(recvmsg(socket, &datagram.message, 0), kBytes);
  ASSERT_EQ(datagram.bytes[kBytes - 1], kUdp);
}

void Say(const char* word) {
  std::printf("%s\n", word);
  std::fflush(stdout);
}

void SetIdleWait(const char* microseconds) {
  std::ofstream file("/proc/sys/kernel/lauberhorn_idle_wait_us");
  file << microseconds << std::flush;
  ASSERT_TRUE(file.good());
}

TEST(RpcCost, RoundsOfEachWay) {
  RunOn(kOtherCpu);
  MapMarks();
  const auto nic = Nic::Started();
  const Child served([](const Parent& test) {
    RunOn(kServerCpu);
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Map(), 0);
    EXPECT_EQ(device.Bind(0), 0);
    test.Say('b');
    ServeDevice(device);
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(served.Says('b'));
  const Child socket_server([](const Parent& test) {
    RunOn(kServerCpu);
    const int server = socket(AF_INET, SOCK_DGRAM, 0);
    Datagram own;
    EXPECT_EQ(bind(server, reinterpret_cast<const sockaddr*>(&own.address),
                   sizeof(own.address)),
              0);
    test.Say('b');
    ServeSocket(server);
  });
  ASSERT_TRUE(socket_server.Says('b'));
  const int client = socket(AF_INET, SOCK_DGRAM, 0);

  Say("open");
  while (access(std::getenv("OPENED"), F_OK) != 0) usleep(1000);

  Caller caller(nic.get(), part);
  Say("direct");
  for (int round = 1; round <= kRounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(
        caller.Call(kDirect, round < kRounds ? kDirect : kChannel));
  }
  Say("channel");
  for (int round = 1; round <= kRounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(caller.Call(kChannel, kChannel));
  }
  SetIdleWait("0");
  Say("interrupt");
  for (int round = 1; round <= kRounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(caller.Call(kInterrupt, kInterrupt));
  }
  Say("udp");
  for (int round = 1; round <= kRounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(CallSocket(client));
  }

  Say("close");
}

}  // namespace
}  // namespace lauberhorn::kmod
