// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// A thousand clients on the server's host that were busy once and are not any
// more: the server has nothing to do for them, neither now nor later, and each
// costs it little memory. The clients are in a process of their own.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "abi/host/control.h"
#include "nic/clock.h"
#include "nic/engine.h"
#include "nic/poll_set.h"
#include "nic/testing/commands.h"
#include "nic/testing/host_side.h"
#include "nic/testing/local_peers.h"
#include "nic/testing/temporary_folder.h"
#include "nic/testing/wire_client.h"
#include "nic/udp_wires.h"

namespace lauberhorn::nic {
namespace {

using testing::IsReadable;
using testing::LoopbackAddress;
using testing::OpenServer;
using testing::Payload;
using testing::TakenMessage;
using testing::TemporaryFolder;
using testing::WireClients;

constexpr int kPeers = 1000;
constexpr int kCalls = 8;
constexpr std::size_t kMostPerPeer = 64 * 1024;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsMeasured = false;  // that of the sanitizer comes on top
#else
constexpr bool kMemoryIsMeasured = true;
#endif

// As many descriptors as the system gives.
void RaiseDescriptors() {
  rlimit files;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  ASSERT_GE(files.rlim_cur, 16u * kPeers)
      << "the hard limit of open files is too low for this test";
}

// What is resident of this process's own memory, in bytes.
std::size_t OwnMemory() {
  std::ifstream status("/proc/self/status");
  std::size_t kib = 0;
  for (std::string word; status >> word;) {
    if (word == "RssAnon:") status >> kib;
  }
  return kib * 1024;
}

// What it shares with a client, if that has used every slot of the link.
std::size_t SharedMemory() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (LH_LINK_LANE(2) + page - 1) / page * page;
}

// The clients: what they do at a word from the test, and their answer.
class Clients {
 public:
  template <typename Where>
  explicit Clients(const Where& server) {
    EXPECT_EQ(pipe(orders_), 0);
    EXPECT_EQ(pipe(answers_), 0);
    process_ = fork();
    EXPECT_GE(process_, 0);
    if (process_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // There is no such method; the engine answers that without a thread.
    WireClients clients(7, absl::StatusCode::kUnimplemented);
    for (int calls; read(orders_[0], &calls, sizeof(calls)) > 0;) {
      absl::Status status;
      while (status.ok() && clients.size() < kPeers) {
        status = clients.Add(server);
      }
      if (status.ok()) status = clients.Call(calls);
      if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
      const bool good = status.ok();
      (void)!write(answers_[1], &good, sizeof(good));
    }
    _exit(0);
  }
  ~Clients() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  // They are there from now on, and each is to make so many calls.
  void Order(int calls) const {
    EXPECT_EQ(write(orders_[1], &calls, sizeof(calls)),
              static_cast<ssize_t>(sizeof(calls)));
  }
  bool HaveAnswered() const { return IsReadable(answers_[0]); }
  bool Answer() const {
    bool good = false;
    EXPECT_EQ(read(answers_[0], &good, sizeof(good)), 1);
    return good;
  }

 private:
  pid_t process_ = -1;
  int orders_[2];
  int answers_[2];
};

// A NIC that the test drives.
class IdlePeersTest : public ::testing::Test {
 protected:
  static RegionOptions SmallRegion() {
    RegionOptions options;
    options.endpoints = 2;
    options.arrived_calls = 64;
    options.own_calls = 64;
    return options;
  }

  IdlePeersTest() { EXPECT_TRUE(poll_.Open().ok()); }

  std::uint64_t Control(lh_command command, const std::string& payload) {
    lh_message header = {};
    header.kind = LH_KIND_CONTROL;
    header.code = command;
    EXPECT_TRUE(call_.Put(header, payload));
    TakenMessage result;
    do {
      engine_->Poll(Now());
    } while (!call_.Take(&result));
    EXPECT_EQ(result.header.code, 0u) << result.payload;
    return result.header.data;
  }
  auto Commands() {
    return [this](lh_command command, const std::string& payload) {
      return Control(command, payload);
    };
  }

  // Serves until the clients have done what they were told.
  void Serve(const Clients& clients) {
    while (!clients.HaveAnswered()) {
      engine_->Poll(Now());
      if (!engine_->TryToSleep()) continue;
      (void)poll_.Wait(Now(), Now() + kMillisecond);
      engine_->Awake();
    }
  }

  // All that must hold of thousand peers, whom `clients` are.
  void TestIdlePeers(const Clients& clients) {
    const std::size_t before = OwnMemory();
    clients.Order(kCalls);
    Serve(clients);
    ASSERT_TRUE(clients.Answer());
    if (kMemoryIsMeasured) {
      const std::size_t own = (OwnMemory() - before) / kPeers;
      EXPECT_GT(own, 0u);
      EXPECT_LE(own + SharedMemory(), kMostPerPeer);
      RecordProperty("own_bytes_per_peer", std::to_string(own));
    }
    Nanos now = Now();
    do {
      engine_->Poll(now);
    } while (!engine_->TryToSleep());
    engine_->Awake();
    const Counters& counters = engine_->counters();
    const std::uint64_t came = counters.packets_received.value();
    const std::uint64_t sent = counters.packets_sent.value();
    // As time passes nothing becomes due, nor does anything come.
    for (int day = 0; day < 3; ++day) {
      now += 24 * 3600 * kSecond;
      EXPECT_EQ(engine_->Poll(now), kNever);
      ASSERT_TRUE(engine_->TryToSleep());
      EXPECT_TRUE(poll_.Wait(now, now).empty());
      engine_->Awake();
    }
    EXPECT_EQ(counters.packets_received.value(), came);
    EXPECT_EQ(counters.packets_sent.value(), sent);
    // And all are still there.
    clients.Order(1);
    Serve(clients);
    EXPECT_TRUE(clients.Answer());
    EXPECT_GE(counters.packets_received.value(), came + kPeers);
  }

  testing::RegionMemory memory_{SmallRegion()};
  Region region_{SmallRegion(), memory_.bytes()};
  testing::HostChannel call_{region_.base(), 0, Which::kCall};
  PollSet poll_;
  testing::RecordingWaker waker_;
  std::unique_ptr<UdpWires> wires_;
  std::unique_ptr<Engine> engine_;

  // After the clients were forked, which need none of it.
  void StartEngine() {
    wires_ = std::make_unique<UdpWires>(poll_, 0, UdpWire::kDefaultInput,
                                        /*local=*/true);
    EngineOptions options;
    ASSERT_TRUE(FillSecret(&options.secret).ok());
    engine_ = std::make_unique<Engine>(options, region_, *wires_, waker_);
  }
};

TEST_F(IdlePeersTest, ThatCameThroughAPort) {
  RaiseDescriptors();
  // Whoever asks for any port is told later: so it is taken, and known, first.
  const Address server = [] {
    auto wire = UdpWire::Bind(LoopbackAddress());
    EXPECT_TRUE(wire.ok());
    return (*wire)->local();
  }();
  const Clients clients(server);
  StartEngine();
  lh_command_method method = {};
  method.method = 1;
  OpenServer(Commands(), method, "", server.raw());
  TestIdlePeers(clients);
}

TEST_F(IdlePeersTest, ThatCameThroughASocket) {
  RaiseDescriptors();
  const TemporaryFolder folder;
  const std::string path = folder.File("socket");
  const SocketName server = *SocketName::From(path);
  const Clients clients(server);
  StartEngine();
  lh_command_socket listen = {};
  listen.server = Control(LH_COMMAND_SERVER_OPEN, "");
  listen.name_length = static_cast<std::uint16_t>(path.size());
  Control(LH_COMMAND_SOCKET_LISTEN, Payload(listen) + path);
  TestIdlePeers(clients);
  engine_.reset();  // before the folder
}

}  // namespace
}  // namespace lauberhorn::nic
