// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// The NIC on a node without a kernel: processes attach, call each other, and
// leave; and the node does what a module may do.

#include "nic/daemon/daemon.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nic/daemon/testing/fake_node.h"
#include "nic/daemon/testing/fake_process.h"
#include "nic/report_path.h"
#include "nic/testing/commands.h"
#include "nic/testing/kernel_side.h"

namespace lauberhorn::nic::daemon {
namespace {

using nic::testing::HostChannel;
using nic::testing::TakenMessage;
using testing::FakeNode;
using testing::FakeNodeOptions;
using testing::FakeProcess;
using ::testing::HasSubstr;

constexpr auto kUnavailable =
    static_cast<std::uint64_t>(absl::StatusCode::kUnavailable);

constexpr std::uint64_t kPublishes =
    LH_DEVICE_STATE_WORDS | LH_DEVICE_KERNEL_CHANNELS;

constexpr Geometry kSmall = {.processes = 4,
                             .endpoints = 2,
                             .slots = 4,
                             .arrived = 16,
                             .own = 16,
                             .cpus = 2};

class DaemonTest : public ::testing::Test {
 protected:
  void Start(DaemonOptions options = {}, FakeNodeOptions node = {}) {
    options.geometry = kSmall;
    node.epoch = 7;
    node_ = std::make_unique<FakeNode>(node);
    absl::StatusOr<std::unique_ptr<Daemon>> started =
        Daemon::Start(options, *node_);
    ASSERT_TRUE(started.ok()) << started.status();
    daemon_ = *std::move(started);
  }

  std::unique_ptr<FakeProcess> Attach(const FakeNode::Who& who = {}) {
    return std::make_unique<FakeProcess>(*node_, turn_, who);
  }
  // What a process is answered that wants to attach.
  int TryToAttach(const FakeNode::Who& who) {
    const std::uint32_t place = node_->Open(who);
    EXPECT_TRUE(Eventually([&] { return node_->AnswerOf(place).has_value(); }));
    return node_->AnswerOf(place).value_or(0);
  }
  bool Eventually(const std::function<bool()>& holds) {
    return testing::Eventually(turn_, holds);
  }

  std::unique_ptr<FakeNode> node_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<Daemon> other_;  // of another device
  const std::function<void()> turn_ = [this] {
    for (Daemon* const daemon : {daemon_.get(), other_.get()}) {
      if (daemon == nullptr) continue;
      EXPECT_TRUE(daemon->Turn().ok());
    }
  };
};

TEST_F(DaemonTest, LaysOutTheKernelsPart) {
  Start();
  EXPECT_TRUE(node_->started());
  EXPECT_EQ(daemon_->epoch(), 7u);
  const auto& info = *reinterpret_cast<lh_info*>(node_->KernelPart().data());
  EXPECT_EQ(info.magic, LH_MAGIC);
  EXPECT_EQ(info.status, LH_STATUS_READY);
  EXPECT_EQ(info.device_epoch, 7u);
  EXPECT_EQ(info.cpus, 0u) << "of a kernel that publishes nothing";
  EXPECT_EQ(node_->attached().processes, kSmall.processes);
  EXPECT_EQ(node_->attached().endpoints, kSmall.endpoints);
}

TEST_F(DaemonTest, AProcessFindsItsPartReadyInTheDevicesEpoch) {
  Start();
  const auto process = Attach();
  EXPECT_EQ(process->info().magic, LH_MAGIC);
  EXPECT_EQ(process->info().version_major, __u32{LH_VERSION_MAJOR});
  EXPECT_EQ(process->info().status, __u64{LH_STATUS_READY});
  EXPECT_EQ(process->info().device_epoch, 7u);
  EXPECT_EQ(process->info().features,
            LH_FEATURE_CHECK_CODE | LH_FEATURE_NEEDS_RING);
  EXPECT_EQ(process->layout().epoch, 7u);
  EXPECT_EQ(process->layout().endpoint_count, kSmall.endpoints);
  EXPECT_EQ(process->layout().call_count, kSmall.own);
  EXPECT_EQ(daemon_->processes(), 1u);
}

TEST_F(DaemonTest, ProcessesCallEachOther) {
  Start();
  const auto server = Attach();
  const auto client = Attach();
  const std::uint16_t port = server->Serve();
  client->Call(port, 3, "request");
  const TakenMessage call = server->Take(Which::kServe);
  EXPECT_EQ(call.header.kind, LH_KIND_CALL);
  EXPECT_EQ(call.payload, "request");
  server->Reply(call, "reply");
  const TakenMessage reply = client->Take(Which::kCall);
  EXPECT_EQ(reply.header.call, FakeProcess::HandleOf(client->layout(), 3));
  EXPECT_EQ(reply.header.code, 0u);
  EXPECT_EQ(reply.payload, "reply");
}

TEST_F(DaemonTest, ACallOfAProcessThatLeavesGetsAStatus) {
  Start();
  auto server = Attach();
  const auto client = Attach();
  client->Call(server->Serve(), 0, "request");
  server->Take(Which::kServe);
  const std::uint32_t place = server->place();
  node_->Leave(place);
  const TakenMessage end = client->Take(Which::kCall);
  EXPECT_EQ(end.header.code, kUnavailable);
  EXPECT_THAT(end.payload, HasSubstr("process has ended"));
  EXPECT_TRUE(Eventually([&] { return node_->IsEnded(place); }));
  EXPECT_EQ(daemon_->processes(), 1u);
  EXPECT_EQ(node_->mappings(), 2) << "the kernel's part, and the client's";
}

TEST_F(DaemonTest, APlaceIsUsedAgain) {
  Start();
  for (std::uint32_t generation = 1; generation <= 10; ++generation) {
    const auto process = Attach();
    EXPECT_EQ(process->place(), 0u);
    EXPECT_EQ(node_->GenerationOf(0), generation);
    process->Serve();
    node_->Leave(0);
    EXPECT_TRUE(Eventually([&] { return node_->IsEnded(0); }));
    EXPECT_EQ(node_->mappings(), 1);
  }
}

TEST_F(DaemonTest, OneThatLeftBeforeItsAnswerIsForgotten) {
  Start();
  node_->LeaveBeforeAnswer();
  const std::uint32_t place = node_->Open();
  EXPECT_TRUE(Eventually([&] { return node_->IsEnded(place); }));
  EXPECT_EQ(node_->AnswerOf(place), std::nullopt);
  EXPECT_EQ(daemon_->processes(), 0u);
  EXPECT_EQ(node_->mappings(), 1);
}

TEST_F(DaemonTest, RulesRefuse) {
  DaemonOptions options;
  ASSERT_TRUE(options.rules.Add("user=7 refuse").ok());
  Start(options);
  EXPECT_EQ(TryToAttach({.uid = 7}), EACCES);
  EXPECT_EQ(TryToAttach({.uid = 8}), 0);
  EXPECT_EQ(daemon_->processes(), 1u);
  EXPECT_EQ(node_->mappings(), 2);
}

TEST_F(DaemonTest, WhoeverIsInAnotherNetworkIsRefused) {
  DaemonOptions options;
  options.network = 17;
  Start(options);
  EXPECT_EQ(TryToAttach({.network = 18}), ENONET);
  EXPECT_EQ(TryToAttach({.network = 0}), ENONET);
  EXPECT_EQ(TryToAttach({.network = 17}), 0);
}

TEST_F(DaemonTest, OnlyRootHasTheFirstPorts) {
  Start();
  lh_command_listen listen = {};
  listen.address.ip[10] = listen.address.ip[11] = 0xff;
  listen.address.ip[12] = 127;
  listen.address.ip[15] = 1;
  listen.address.port = 1023;
  const auto listen_as = [&](uid_t uid) {
    const auto process = Attach({.uid = uid});
    listen.server = process->Control(LH_COMMAND_SERVER_OPEN, "");
    return process->Run(LH_COMMAND_LISTEN, nic::testing::Payload(listen));
  };
  const TakenMessage refused = listen_as(1000);
  EXPECT_EQ(refused.header.code,
            static_cast<std::uint64_t>(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(refused.payload, HasSubstr("only root"));
  EXPECT_THAT(listen_as(0).payload, ::testing::Not(HasSubstr("only root")));
}

TEST_F(DaemonTest, NobodyHasUnixSockets) {
  Start();
  const auto process = Attach();
  lh_command_socket socket = {};
  socket.server = process->Control(LH_COMMAND_SERVER_OPEN, "");
  const std::string name("\0name", 5);
  socket.name_length = static_cast<std::uint16_t>(name.size());
  const TakenMessage refused = process->Run(
      LH_COMMAND_SOCKET_LISTEN, nic::testing::Payload(socket) + name);
  EXPECT_EQ(refused.header.code,
            static_cast<std::uint64_t>(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(refused.payload,
              HasSubstr("lauberhornd reaches no Unix sockets"));
}

// A kernel that publishes nothing.
TEST_F(DaemonTest, AThreadIsWokenByACall) {
  Start();
  Attach();
  const auto server = Attach();
  const auto client = Attach();
  const std::uint16_t port = server->Serve();
  HostChannel channel = server->Channel(0, Which::kServe);
  ASSERT_TRUE(channel.Park());
  client->Call(port, 0, "request");
  ASSERT_TRUE(Eventually([&] { return !node_->wakes().empty(); }));
  const lh_nic_wake wake = node_->wakes().front();
  EXPECT_EQ(wake.endpoint, server->place() * kSmall.endpoints);
  EXPECT_EQ(wake.generation, node_->GenerationOf(server->place()));
  EXPECT_TRUE(channel.HasMessage());
}

// A kernel that publishes its run queues.
TEST_F(DaemonTest, AThreadIsWokenByItsCpu) {
  Start({}, {.features = kPublishes});
  EXPECT_EQ(daemon_->features(), kPublishes);
  const auto& info = *reinterpret_cast<lh_info*>(node_->KernelPart().data());
  ASSERT_EQ(info.cpus, kSmall.cpus);
  // The kernel sees what the NIC has laid out.
  KernelRegion region(KernelOptions(kSmall), node_->KernelPart().data(),
                      sizeof(lh_info));
  nic::testing::KernelSide kernel(region);
  kernel.Idle(0);
  // Not only the NIC, if that runs there.
  kernel.Publish(1, {.mode = LH_CPU_OTHER, .nr = 2});
  Attach();
  const auto server = Attach();
  const auto client = Attach();
  const std::uint16_t port = server->Serve();
  HostChannel channel = server->Channel(0, Which::kServe);
  ASSERT_TRUE(channel.Park());
  const std::uint32_t endpoint = server->place() * kSmall.endpoints;
  kernel.SetState(endpoint, LH_ENDPOINT_PARKED,
                  {.generation = node_->GenerationOf(server->place())});
  client->Call(port, 0, "request");
  KernelCommand command;
  ASSERT_TRUE(Eventually([&] {
    // Whoever gets the result of a command is woken as well, being on no CPU.
    while (kernel.TakeCommand(0, &command)) {
      kernel.Answer(0, command.number, LH_ANSWER_DONE);
      if (lh_handle_index(command.endpoint) != endpoint) continue;
      if (channel.HasMessage()) return true;
    }
    return false;
  }));
  EXPECT_EQ(command.kind, LH_KIND_RUN);
  EXPECT_EQ(command.epoch, 7u);
  EXPECT_EQ(lh_handle_generation(command.endpoint),
            node_->GenerationOf(server->place()));
  EXPECT_THAT(node_->interrupts(), ::testing::Contains(0u));
  EXPECT_THAT(node_->wakes(), ::testing::IsEmpty());
}

// Dispatch was turned off, or is not on yet.
TEST_F(DaemonTest, WhereAllCpusAreOfflineAThreadIsWokenByACall) {
  Start({}, {.features = kPublishes});
  const auto server = Attach();
  const auto client = Attach();
  const std::uint16_t port = server->Serve();
  HostChannel channel = server->Channel(0, Which::kServe);
  ASSERT_TRUE(channel.Park());
  client->Call(port, 0, "request");
  const std::uint32_t endpoint = server->place() * kSmall.endpoints;
  EXPECT_TRUE(Eventually([&] {
    return channel.HasMessage() && !node_->wakes().empty() &&
           node_->wakes().back().endpoint == endpoint;
  }));
  EXPECT_THAT(node_->interrupts(), ::testing::IsEmpty());
}

TEST_F(DaemonTest, EachProcessHasItsReport) {
  const std::string folder =
      ::testing::TempDir() + "daemon_test." + std::to_string(getpid());
  DaemonOptions options;
  options.report_folders = {folder};
  Start(options);
  {
    // This test plays the process.
    const auto process = Attach({.pid = getpid()});
    process->Serve();
    const std::string path = folder + "/" + ReportName(getpid(), 1);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof(address.sun_path));
    path.copy(address.sun_path, path.size());
    const int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(
        connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    ASSERT_EQ(send(peer, "stat\n", 5, MSG_NOSIGNAL), 5);
    std::string report(65'536, 0);
    ssize_t size = 0;
    ASSERT_TRUE(Eventually([&] {
      size = recv(peer, report.data(), report.size(), MSG_DONTWAIT);
      return size > 0;
    }));
    close(peer);
    EXPECT_THAT(report, HasSubstr("\"pid\":" + std::to_string(getpid())));
    EXPECT_THAT(report, HasSubstr("\"program\":\"nic_daemon_daem\""));
    EXPECT_THAT(report, HasSubstr("\"/a/B\""));
    node_->Leave(process->place());
    EXPECT_TRUE(Eventually([&] { return node_->IsEnded(process->place()); }));
    EXPECT_NE(access(path.c_str(), F_OK), 0);
  }
  rmdir(folder.c_str());
}

TEST_F(DaemonTest, OneThatEndsTellsWhoeverHasCallsWithIt) {
  Start();
  const auto server = Attach();
  const std::uint16_t port = server->Serve();
  FakeNode other_node;
  auto other = Daemon::Start({.geometry = kSmall}, other_node);
  ASSERT_TRUE(other.ok());
  other_ = *std::move(other);
  FakeProcess client(other_node, turn_);
  client.Call(port, 0, "request");
  server->Take(Which::kServe);
  daemon_.reset();
  EXPECT_EQ(client.Take(Which::kCall).header.code, kUnavailable);
  other_.reset();
}

TEST_F(DaemonTest, ADeviceThatGoesEndsIt) {
  Start();
  Attach();
  node_->Unbind();
  absl::Status status;
  while (status.ok()) status = daemon_->Turn();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("gone"));
}

TEST(DaemonStartTest, SaysWhyItCannot) {
  for (const auto& [error, text] :
       {std::pair(EINVAL, "max_processes"), std::pair(ENODEV, "bind it"),
        std::pair(ENOMEM, "fewer"), std::pair(EIO, "attach this NIC")}) {
    FakeNode node({.attach_error = error});
    const auto daemon = Daemon::Start({.geometry = kSmall}, node);
    ASSERT_FALSE(daemon.ok());
    EXPECT_THAT(std::string(daemon.status().message()), HasSubstr(text));
  }
  FakeNode node({.start_error = EINVAL});
  const auto daemon = Daemon::Start({.geometry = kSmall}, node);
  ASSERT_FALSE(daemon.ok());
  EXPECT_THAT(std::string(daemon.status().message()),
              HasSubstr("start this NIC"));
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
