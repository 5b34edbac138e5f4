// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors

// How far the channel is from the floor, between two cores.
//
// The floor is a 64-byte echo: a request in one line, the reply in another,
// both sides spinning on the word in its line. The channel does the same
// through abi/host/channel.h: the host puts a message with 64 bytes of payload,
// the NIC collects it and delivers an answer with 64 bytes, the host takes and
// releases that. Both sides write and read every byte.
//
// Cores of a virtual machine move: now they are near, now far. So everything is
// measured in short turns, one of each kind after the other, a bounced line
// before and after every round says how far the cores were, and a round counts
// only if both agree and neither thread was switched out in it. Ratios are made
// within a round.
//
// Two threads, pinned to CPU 0 and CPU 1; the host's thread keeps the time.
// Ordering between them is that of the channel; the turns are handed over with
// one atomic.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "abi/host/atomic_user.h"
#include "abi/host/channel.h"
#include "abi/host/process.h"
#include "abi/host/region.h"
#include "bench/columns.h"
#include "bench/cpu.h"
#include "bench/floor.h"
#include "bench/seconds_argument.h"
#include "bench/statistics.h"

namespace lauberhorn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPayload = 64;
constexpr int kMostSlots = 8;

constexpr char kHelp[] =
    "usage: channel_floor [SECONDS]\n"
    "Measures the channel between CPU 0 and CPU 1, in multiples of a two-line\n"
    "echo, for SECONDS (20).\n";

// All that the two threads share.
struct Shared {
  Floor floor;
  alignas(128) lh_channel_state state;
  alignas(128) lh_info info;
  alignas(128) lh_bell_line bell;
};

Shared shared;

// A channel of D = `slots`: its lines, and what each side knows of it.
struct Channel {
  explicit Channel(__u32 slots);

  alignas(128) lh_line out[kMostSlots] = {};
  alignas(128) lh_line in[kMostSlots] = {};
  alignas(128) lh_channel host = {};
  alignas(128) lh_lane nic_out = {};
  lh_lane nic_in = {};
};

Channel::Channel(__u32 slots) {
  const auto view = [slots](lh_line* lines) {
    lh_lane lane{};
    lane.lines = reinterpret_cast<__u8*>(lines);
    lane.line_stride = sizeof(lh_line);
    lane.slots = slots;
    return lane;
  };
  host.out = nic_out = view(out);
  host.in = nic_in = view(in);
  host.bell = {&shared.state.watched,
               &shared.info.asleep,
               &shared.state.backlog,
               &shared.bell.bits[0],
               1,
               1};
}

Channel channel_of_2(2);
Channel channel_of_8(8);

// One kind of turn: `count` exchanges, host and NIC side.
struct Kind {
  std::string name;
  void (*host)(const Kind& kind, int count);
  void (*nic)(const Kind& kind, int count);
  Channel* channel;
  int window;
};

// --- The floor.

void BounceHost(const Kind&, int count) { shared.floor.BounceHost(count); }
void BounceNic(const Kind&, int count) { shared.floor.BouncePartner(count); }
void FloorHost(const Kind&, int count) { shared.floor.EchoHost(count); }
void FloorNic(const Kind&, int count) { shared.floor.EchoPartner(count); }

// --- The channel. `window` calls are on their way at a time.

uint64_t read_sum;  // of what was read, so that all of it is

struct Body {
  uint8_t bytes[kPayload];
};

void Write(lh_line* line, uint64_t call, uint8_t kind, const Body& body) {
  line->header.call = call;
  line->header.code = 1;
  line->header.data = 2;
  line->header.deadline = 0;
  line->header.length = kPayload;
  line->header.kind = kind;
  line->header.flags = 0;
  line->header.aux = 0;
  std::memcpy(line->payload, body.bytes, kPayload);
}

uint64_t Read(const lh_line* line, Body* body) {
  const lh_message header = line->header;
  std::memcpy(body->bytes, line->payload, kPayload);
  return header.call + header.code + header.data + header.deadline +
         header.length + header.kind + header.flags + header.aux;
}

const lh_waiter kNobodySleeps = {
    [](void*) { return 1; }, nullptr,
    [](void*) { std::fputs("channel_floor: rings nobody\n", stderr); },
    nullptr};

void ChannelHost(const Kind& kind, int count) {
  lh_channel channel = kind.channel->host;
  Body body{};
  uint64_t sum = 0;
  int put = 0;
  for (int got = 0; got < count;) {
    while (put < count && put - got < kind.window) {
      lh_line* line = lh_put_begin(&channel.out);
      if (!line) break;
      body.bytes[0] = static_cast<uint8_t>(put);
      Write(line, static_cast<uint64_t>(put), LH_KIND_CALL, body);
      lh_put(&channel, line, &kNobodySleeps);
      ++put;
    }
    lh_line* line = lh_take(&channel.in);
    if (!line) continue;
    sum += Read(line, &body);
    lh_release(&channel.in, line);
    ++got;
  }
  read_sum += sum + body.bytes[0];
  kind.channel->host = channel;
}

void ChannelNic(const Kind& kind, int count) {
  lh_lane out = kind.channel->nic_out;
  lh_lane in = kind.channel->nic_in;
  Body body;
  for (int i = 0; i < count; ++i) {
    lh_line* request = lh_collect_begin(&out);
    while (!request) request = lh_collect_begin(&out);
    const uint64_t call = Read(request, &body);
    lh_collect_end(&out, request);
    lh_line* reply = lh_deliver_begin(&in);
    while (!reply) reply = lh_deliver_begin(&in);
    Write(reply, call, LH_KIND_REPLY, body);
    if (lh_deliver_end(&in, reply) != LH_DELIVERED) std::abort();
  }
  kind.channel->nic_out = out;
  kind.channel->nic_in = in;
}

const Kind kBounce = {"bounce", BounceHost, BounceNic, nullptr, 1};
const Kind kFloor = {"two-line floor", FloorHost, FloorNic, nullptr, 1};
const Kind kChannels[] = {
    {"channel, D = 2, window 1", ChannelHost, ChannelNic, &channel_of_2, 1},
    {"channel, D = 8, window 1", ChannelHost, ChannelNic, &channel_of_8, 1},
    {"channel, D = 2, window 2", ChannelHost, ChannelNic, &channel_of_2, 2},
    {"channel, D = 8, window 8", ChannelHost, ChannelNic, &channel_of_8, 8},
};
constexpr size_t kChannelKinds = std::size(kChannels);

// --- Two threads that take turns.

void PinOrExit(int cpu) {
  if (Pin(cpu)) return;
  std::fprintf(stderr, "channel_floor: cannot run on CPU %d\n", cpu);
  std::exit(1);
}

class Turns {
 public:
  Turns() : nic_([this] { RunNic(); }) { PinOrExit(0); }
  ~Turns() {
    kind_ = nullptr;
    turn_.store(turn_.load() + 1, std::memory_order_release);
    nic_.join();
  }

  // Nanoseconds of one exchange.
  double Run(const Kind& kind, int count) {
    kind_ = &kind;
    count_ = count;
    turn_.store(turn_.load() + 1, std::memory_order_release);
    while (ready_.load(std::memory_order_acquire) != turn_.load()) Relax();
    const Clock::time_point start = Clock::now();
    kind.host(kind, count);
    const std::chrono::duration<double, std::nano> time = Clock::now() - start;
    switches_ = Switches();
    while (done_.load(std::memory_order_acquire) != turn_.load()) Relax();
    return time.count() / count;
  }

  // Of both threads, till the end of the last turn.
  long switches() const { return switches_ + nic_switches_; }  // NOLINT

 private:
  void RunNic() {
    PinOrExit(1);
    for (uint64_t turn = 1;; ++turn) {
      while (turn_.load(std::memory_order_acquire) != turn) Relax();
      if (!kind_) return;
      ready_.store(turn, std::memory_order_release);
      kind_->nic(*kind_, count_);
      nic_switches_ = Switches();
      done_.store(turn, std::memory_order_release);
    }
  }

  const Kind* kind_ = nullptr;
  int count_ = 0;
  long switches_ = 0;      // NOLINT(runtime/int)
  long nic_switches_ = 0;  // NOLINT(runtime/int)
  alignas(128) std::atomic<uint64_t> turn_{0};
  alignas(128) std::atomic<uint64_t> ready_{0};
  alignas(128) std::atomic<uint64_t> done_{0};
  std::thread nic_;
};

// --- What was measured.

struct Round {
  Distance distance;
  double floor;
  double channel[kChannelKinds];
};

double FloorOf(const Round& round) { return round.floor; }
double BounceOf(const Round& round) { return round.distance.before; }

std::vector<double> ChannelOf(const std::vector<Round>& rounds, size_t which) {
  return Each(rounds,
              [which](const Round& round) { return round.channel[which]; });
}
std::vector<double> RatioOf(const std::vector<Round>& rounds, size_t which) {
  return Each(rounds, [which](const Round& round) {
    return round.channel[which] / round.floor;
  });
}

void PrintColumn(const char* name, const std::vector<Round>& rounds) {
  std::printf("\n%s: %zu rounds\n", name, rounds.size());
  if (rounds.empty()) return;
  std::printf("%-26s %30s %26s %10s\n", "", "ns: median (min..max)",
              "floors: median (min..max)", "million/s");
  const auto print = [](const char* row, Range ns, Range floors) {
    std::printf("%-26s %10.1f (%7.1f..%8.1f)", row, ns.median, ns.least,
                ns.most);
    if (floors.median > 0) {
      std::printf(" %9.2f (%5.2f..%6.2f) %10.2f", floors.median, floors.least,
                  floors.most, 1e3 / ns.median);
    }
    std::printf("\n");
  };
  print("bounce of one line", RangeOf(Each(rounds, BounceOf)), {});
  print("two-line floor", RangeOf(Each(rounds, FloorOf)), {1, 1, 1});
  for (size_t i = 0; i < kChannelKinds; ++i) {
    print(kChannels[i].name.c_str(), RangeOf(ChannelOf(rounds, i)),
          RangeOf(RatioOf(rounds, i)));
  }
}

Columns<Round> Measure(double seconds) {
  constexpr int kWarmUp = 2000;
  constexpr int kBounces = 200;
  constexpr int kExchanges = 500;  // short beside a time slice
  Turns turns;
  turns.Run(kBounce, kWarmUp);
  turns.Run(kFloor, kWarmUp);
  Columns<Round> columns;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    Round round;
    round.distance.before = turns.Run(kBounce, kBounces);
    const long switches = turns.switches();  // NOLINT(runtime/int)
    round.floor = turns.Run(kFloor, kExchanges);
    for (size_t i = 0; i < kChannelKinds; ++i) {
      round.channel[i] = turns.Run(kChannels[i], kExchanges);
    }
    round.distance.after = turns.Run(kBounce, kBounces);
    round.distance.switched_out = turns.switches() != switches;
    columns.Add(round);
  }
  return columns;
}

int Main(int argc, char** argv) {
  double seconds = 20;
  if (const int code = ReadSeconds(argc, argv, kHelp, &seconds); code >= 0) {
    return code;
  }
  if (!MayRunOn(0) || !MayRunOn(1)) {
    std::fputs(
        "channel_floor: needs CPU 0 and CPU 1, and may not run on both; "
        "on one CPU two spinning threads measure the scheduler\n",
        stderr);
    return 1;
  }

  const Columns<Round> columns = Measure(seconds);
  std::printf(
      "%zu rounds; %zu not counted, as the cores moved or were shared\n",
      columns.near().size() + columns.far().size() + columns.dropped(),
      columns.dropped());
  PrintColumn("near", columns.near());
  PrintColumn("far", columns.far());
  if (columns.empty()) {
    std::fputs("channel_floor: no round was steady; try a quieter machine\n",
               stderr);
    return 1;
  }
  std::printf("\nBoth sides wrote and read every byte (sum %llu).\n",
              static_cast<unsigned long long>(read_sum) + shared.floor.sum());
  std::printf("The figure is D = 2, window 1, of the %s column%s.\n",
              columns.UsesNear() ? "near" : "far",
              columns.UsesNear()
                  ? ""
                  : ": the cores were hardly ever near in this run");
  PrintFigure("channel_64B_floors",
              RangeOf(RatioOf(columns.chosen(), 0)).median, "floors");
  return 0;
}

}  // namespace
}  // namespace lauberhorn::bench

int main(int argc, char** argv) { return lauberhorn::bench::Main(argc, argv); }
