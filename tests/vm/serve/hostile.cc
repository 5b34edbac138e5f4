// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vm/serve/hostile.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "abi/host/control.h"
#include "abi/host/testing/host_channel.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lauberhorn/cancellation.h"
#include "lauberhorn/client.h"
#include "lauberhorn/method.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/serve/random.h"

namespace lauberhorn::serve {
namespace {

using testing::ChannelOf;

// So much at a time; then the NIC gets to look at it.
constexpr int kBurst = 64;
constexpr absl::Duration kPause = absl::Milliseconds(1);

void WriteGarbage(const kmod::Device& device, Random& random) {
  constexpr std::uint64_t kInfo = sizeof(lh_info);
  const std::uint64_t words = (device.attached().size - kInfo) / 8;
  auto* const part = reinterpret_cast<std::uint64_t*>(device.base() + kInfo);
  for (int word = 0; word < kBurst; ++word) {
    part[Below(random, words)] = SomeNumber(random);
  }
}

// The slots of a lane, whatever they hold.
void WriteStates(const lh_lane& lane, Random& random) {
  for (std::uint32_t slot = 0; slot < lane.slots; ++slot) {
    lh_line* const line = lh_lane_line(&lane, slot);
    const lh_message message = SomeMessage(random);
    std::memcpy(&line->header.call, &message.call,
                sizeof(message) - sizeof(message.word));
    lh_store_release(&line->header.word,
                     lh_word(static_cast<__u32>(Below(random, 8)),
                             Below(random, 2) == 0
                                 ? lh_tag(lh_load_acquire(&line->header.word))
                                 : random()));
  }
}

// Of one channel.
void PutForged(testing::HostChannel& channel, Random& random) {
  std::string payload(Below(random, 160), 0);
  for (std::size_t at = 0; at + 8 <= payload.size(); at += 8) {
    const std::uint64_t word = SomeNumber(random);
    std::memcpy(&payload[at], &word, sizeof(word));
  }
  channel.Put(SomeMessage(random), payload, Below(random, 4) == 0);
  testing::TakenMessage taken;
  while (channel.Take(&taken)) {
  }
}

[[noreturn]] void AttackByPart(const std::string& how, Random random) {
  kmod::Device device;
  if (device.Attach() != 0 || device.Map() != 0) std::_Exit(1);
  std::vector<testing::HostChannel> channels;
  for (std::uint32_t endpoint = 0; endpoint < device.attached().endpoints;
       ++endpoint) {
    channels.push_back(device.Channel(endpoint, ChannelOf::kServe));
    channels.push_back(device.Channel(endpoint, ChannelOf::kCall));
  }
  std::puts("attacks");
  std::fflush(stdout);
  for (;;) {
    if (how == "garbage") WriteGarbage(device, random);
    testing::HostChannel& channel = channels[Below(random, channels.size())];
    if (how == "states") {
      WriteStates(
          Below(random, 2) == 0 ? channel.channel().in : channel.channel().out,
          random);
    }
    if (how == "forged") PutForged(channel, random);
    static_cast<void>(device.Ring());
    if (Below(random, kBurst) == 0) absl::SleepFor(kPause);
  }
}

void CallAndCancel(Client& client, Random random) {
  for (;;) {
    Cancellation cancellation;
    CallOptions options;
    options.cancellation = &cancellation;
    const bool holds = Below(random, 4) == 0;
    const std::string name =
        absl::StrCat("/serve.Service/", holds ? "Hold" : "Echo");
    UnaryCall call(client, name, MethodId(name));
    std::uint8_t* const to = call.ReserveRequest(sizeof(std::uint64_t));
    if (to == nullptr) std::_Exit(1);
    const std::uint64_t number = random();
    std::memcpy(to, &number, sizeof(number));
    std::thread canceller([&cancellation, after = Below(random, 2'000)] {
      absl::SleepFor(absl::Microseconds(after));
      cancellation.Cancel();
    });
    static_cast<void>(call.Run(options));
    canceller.join();
  }
}

[[noreturn]] void AttackByCalls(int port, Random random) {
  RuntimeOptions options;
  const auto runtime = Runtime::Open(options);
  if (!runtime.ok()) std::_Exit(1);
  const auto client =
      Client::Connect(*runtime, absl::StrCat("127.0.0.1:", port));
  if (!client.ok()) std::_Exit(1);
  std::puts("attacks");
  std::fflush(stdout);
  for (int thread = 0; thread < 4; ++thread) {
    std::thread(CallAndCancel, std::ref(**client), Random(random())).detach();
  }
  for (;;) pause();
}

}  // namespace

int HostileMain(const std::string& how, int port, std::uint64_t seed) {
  if (how == "cancels") AttackByCalls(port, Random(seed));
  AttackByPart(how, Random(seed));
}

}  // namespace lauberhorn::serve
