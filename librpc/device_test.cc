// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "librpc/device.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lauberhorn/client.h"
#include "lauberhorn/server.h"
#include "lauberhorn/server_call.h"
#include "librpc/embedded_device.h"
#include "librpc/runtime_impl.h"

namespace lauberhorn {
namespace {

using ::testing::HasSubstr;

lh_info Good() {
  lh_info info = {};
  info.magic = LH_MAGIC;
  info.version_major = LH_VERSION_MAJOR;
  info.version_minor = LH_VERSION_MINOR;
  info.features = LH_FEATURES;
  info.status = LH_STATUS_READY;
  return info;
}

TEST(CheckDeviceTest, RefusesWhatIsNoNic) {
  lh_info info = Good();
  EXPECT_TRUE(CheckDevice(info).ok());
  for (const __u64 magic : {__u64{0}, ~__u64{0}}) {
    info.magic = magic;
    EXPECT_TRUE(absl::IsUnavailable(CheckDevice(info)));
  }
}

TEST(CheckDeviceTest, RefusesAnotherMajorVersion) {
  lh_info info = Good();
  for (const __u32 major : {0u, LH_VERSION_MAJOR + 1u}) {
    info.version_major = major;
    const absl::Status status = CheckDevice(info);
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("version ", major, ".")));
  }
}

TEST(CheckDeviceTest, AcceptsAnyMinorVersion) {
  lh_info info = Good();
  for (const __u32 minor : {0u, LH_VERSION_MINOR + 1u, ~0u}) {
    info.version_minor = minor;
    EXPECT_TRUE(CheckDevice(info).ok());
  }
}

TEST(CheckDeviceTest, RefusesAFeatureThatItDoesNotKnow) {
  for (int bit = 0; bit < 64; ++bit) {
    lh_info info = Good();
    info.features = __u64{1} << bit;
    const bool known = (info.features & LH_FEATURES) != 0;
    EXPECT_EQ(CheckDevice(info).ok(), known) << bit;
  }
}

TEST(CheckDeviceTest, RefusesADeviceThatIsNotReady) {
  lh_info info = Good();
  for (const __u64 status : {__u64{LH_STATUS_RESET}, __u64{LH_STATUS_DOWN}}) {
    info.status = status;
    EXPECT_TRUE(absl::IsUnavailable(CheckDevice(info)));
  }
}

// An embedded device that keeps each command.
class Spy final : public Device {
 public:
  using Commands = std::map<lh_command, std::vector<std::uint8_t>>;

  explicit Spy(Commands* commands)
      : device_(*MakeEmbeddedDevice({})), commands_(commands) {}

  const Attachment& Attach() const override { return device_->Attach(); }
  void Wait(std::uint32_t endpoint, __u64* word, __u64 parked,
            std::int64_t until) override {
    device_->Wait(endpoint, word, parked, until);
  }
  void Ring() override { device_->Ring(); }
  bool WaitersDrive() const override { return device_->WaitersDrive(); }
  bool Look(std::uint32_t endpoint, std::int64_t until) override {
    return device_->Look(endpoint, until);
  }
  void EndWait(std::uint32_t endpoint) override { device_->EndWait(endpoint); }
  absl::StatusOr<std::uint64_t> Control(
      lh_channel& call, const lh_waiter& waiter, lh_command command,
      absl::Span<const std::uint8_t> payload,
      absl::Span<std::uint8_t>* answer) override {
    (*commands_)[command] = {payload.begin(), payload.end()};
    return Device::Control(call, waiter, command, payload, answer);
  }

 private:
  const std::unique_ptr<Device> device_;
  Commands* const commands_;
};

template <typename Command>
Command Payload(const Spy::Commands& commands, lh_command number) {
  Command command;
  std::memset(&command, 0xff, sizeof(command));
  const auto found = commands.find(number);
  EXPECT_NE(found, commands.end()) << "the library did not say it: " << number;
  if (found == commands.end()) return command;
  EXPECT_GE(found->second.size(), sizeof(command));
  std::memcpy(&command, found->second.data(), sizeof(command));
  return command;
}

void Answer(void*, ServerCall& call) {
  call.ReserveReply(0);
  call.Reply();
}

constexpr Method kMethods[] = {{"/test.Service/Answer", &Answer}};

TEST(DeviceTest, ReservedFieldsOfCommandsAreZero) {
  Spy::Commands commands;
  {
    const auto runtime = std::make_shared<RuntimeImpl>(
        RuntimeOptions(), std::make_unique<Spy>(&commands));
    const auto server = *Server::Create(runtime);
    ASSERT_TRUE(server->AddService(kMethods, nullptr).ok());
    const auto client = *Client::Connect(
        runtime, absl::StrCat("127.0.0.1:", *server->Listen("127.0.0.1:0")));
    const std::string name = "/test.Service/Answer";
    UnaryCall call(*client, name, MethodId(name));
    call.ReserveRequest(0);
    ASSERT_TRUE(call.Run({}).ok());
  }
  EXPECT_EQ(Payload<lh_command_limits>(commands, LH_COMMAND_LIMITS).reserved,
            0u);
  EXPECT_EQ(
      Payload<lh_command_method>(commands, LH_COMMAND_METHOD_ADD).reserved, 0u);
  const auto named =
      Payload<lh_command_method_name>(commands, LH_COMMAND_METHOD_NAME);
  for (const __u16 reserved : named.reserved) EXPECT_EQ(reserved, 0u);
  for (const lh_command number : {LH_COMMAND_LISTEN, LH_COMMAND_CONNECT}) {
    EXPECT_EQ(Payload<lh_command_listen>(commands, number).address.reserved,
              0u);
  }
}

// One `call` channel, and the NIC's side of its `in` lane.
class ChannelMemory {
 public:
  ChannelMemory() {
    channel_.out = Lane(0);
    channel_.in = Lane(kSlots);
    channel_.bell.watched = &flags_[0];
    channel_.bell.asleep = &flags_[1];
    channel_.bell.backlog = &flags_[2];
    flags_[0] = 1;
    nic_ = channel_.in;
    LH_ON_LANE(LH_LANE_OUT, channel_.out.lines, sizeof(lh_line), kSlots);
    LH_ON_LANE(LH_LANE_IN, channel_.in.lines, sizeof(lh_line), kSlots);
  }

  void Deliver(std::uint8_t kind, std::uint64_t call, std::uint64_t data,
               std::uint64_t code = 0, std::uint32_t length = 0) {
    lh_line* const line = lh_deliver_begin(&nic_);
    ASSERT_NE(line, nullptr);
    line->header.kind = kind;
    line->header.code = code;
    line->header.length = length;
    line->header.call = call;
    line->header.data = data;
    ASSERT_EQ(lh_deliver_end(&nic_, line), LH_DELIVERED);
  }

  lh_channel& channel() { return channel_; }

  unsigned StateOfSlot(std::uint32_t slot) {
    return lh_state(lh_lane_line(&nic_, slot)->header.word);
  }

 private:
  static constexpr std::uint32_t kSlots = 4;

  lh_lane Lane(std::uint32_t first) {
    lh_lane lane = {};
    lane.lines = reinterpret_cast<__u8*>(&lines_[first]);
    lane.overflow = &overflow_[first];
    lane.line_stride = sizeof(lh_line);
    lane.overflow_size = 1;
    lane.slots = kSlots;
    return lane;
  }

  alignas(LH_LINE_SIZE) lh_line lines_[2 * kSlots] = {};
  __u8 overflow_[2 * kSlots] = {};
  __u64 flags_[3] = {};
  lh_channel channel_ = {};
  lh_lane nic_ = {};
};

TEST(DeviceTest, AnUnknownKindIsReleased) {
  ChannelMemory memory;
  memory.Deliver(LH_KIND_DECODED_FIRST - 1, 7, 1);
  memory.Deliver(LH_KIND_RESULT, 7, 42);
  const lh_waiter nobody = {};  // it waits for nothing
  const absl::StatusOr<std::uint64_t> result =
      GetResult(memory.channel(), nobody, 7);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, 42u);
  EXPECT_EQ(memory.StateOfSlot(0), unsigned{LH_FREE});
  EXPECT_EQ(memory.StateOfSlot(1), unsigned{LH_FREE});
}

TEST(DeviceTest, ALengthBeyondTheSlotIsCut) {
  constexpr std::uint64_t kInternal = 13;
  ChannelMemory memory;
  memory.Deliver(LH_KIND_RESULT, 1, 0, kInternal, ~0u);
  memory.Deliver(LH_KIND_RESULT, 2, 0, 0, ~0u);
  const lh_waiter nobody = {};
  absl::StatusOr<std::uint64_t> result = GetResult(memory.channel(), nobody, 1);
  EXPECT_TRUE(absl::IsInternal(result.status()));
  EXPECT_EQ(result.status().message().size(),
            LH_INLINE_SIZE + memory.channel().in.overflow_size);
  // What is more than there is room for is no answer.
  std::uint8_t room[8];
  absl::Span<std::uint8_t> answer(room);
  result = GetResult(memory.channel(), nobody, 2, &answer);
  EXPECT_TRUE(absl::IsInternal(result.status()));
}

}  // namespace
}  // namespace lauberhorn
