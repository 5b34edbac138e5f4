/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Both sides of the scenarios, see channel_world.h. Runs in fibers: every
// operation of channel.h in here is a sequence of the interleaver's steps.

#include "channel_world.h"

#include <cstring>
#include <string>

namespace lauberhorn::testing {
namespace {

int NeverSpin(void*) { return 0; }

// `context` counts the sleeps that may still end for no reason.
bool MayLeave(void* context) {
  int& left = *static_cast<int*>(context);
  return left > 0 && left-- > 0;
}

int SleepOrLeave(void* context, Word* word, Word parked) {
  return Interleaver::Current().Sleep(word, parked, MayLeave(context));
}

int SleepOrLookAgain(void* context, Word* word, Word parked) {
  Interleaver::Current().Sleep(word, parked, MayLeave(context));
  return 1;
}

void RingNic(void*) { Interleaver::Current().Ring(); }

}  // namespace

SharedMemory* ChannelWorld::Memory() {
  static SharedMemory memory;
  return &memory;
}

void ChannelWorld::Reset(Interleaver& run, bool asymmetric) {
  std::memset(static_cast<void*>(&memory()), 0, sizeof(SharedMemory));
  ResetChecks();
  empty_sleeps_left_ = empty_sleeps_;
  run.Name(&memory().asleep, "asleep");
  run.Name(&memory().bits, "bell");
  for (int i = 0; i < channel_count_; ++i) {
    const std::string name = channel_count_ == 1 ? "" : i ? "call." : "serve.";
    Channel& channel = channels_[i];
    lh_lane lanes[2];
    for (int direction = 0; direction < 2; ++direction) {
      lanes[direction] = lh_lane{};
      lanes[direction].lines =
          reinterpret_cast<__u8*>(memory().lines[i][direction]);
      lanes[direction].overflow =
          reinterpret_cast<__u8*>(memory().overflow[i][direction]);
      lanes[direction].line_stride = sizeof(lh_line);
      lanes[direction].overflow_size = sizeof(Word);
      lanes[direction].slots = static_cast<__u32>(slots_);
    }
    channel.host.out = channel.nic_out = lanes[LH_LANE_OUT];
    channel.host.in = channel.nic_in = lanes[LH_LANE_IN];
    channel.host.bell = {
        &memory().watched[i], &memory().asleep, &memory().backlog[i],
        &memory().bits,       1ULL << i,        asymmetric};
    channel.out =
        AddLane(run, name + "out", LH_LANE_OUT, memory().lines[i][LH_LANE_OUT],
                memory().overflow[i][LH_LANE_OUT], 1, slots_);
    channel.in =
        AddLane(run, name + "in", LH_LANE_IN, memory().lines[i][LH_LANE_IN],
                memory().overflow[i][LH_LANE_IN], 1, slots_);
    memory().watched[i] = 1;
    run.Name(&memory().watched[i], name + "watched");
    run.Name(&memory().backlog[i], name + "backlog");
  }
}

Word* ChannelWorld::OverflowOf(const lh_lane& lane, lh_line* line) {
  const auto slot =
      static_cast<__u32>(line - reinterpret_cast<lh_line*>(lane.lines));
  return reinterpret_cast<Word*>(lh_lane_overflow(&lane, slot));
}

void ChannelWorld::Write(const lh_lane& lane, lh_line* line, Word message) {
  run().PlainStore(&line->header.call, message);
  run().PlainStore(OverflowOf(lane, line), message);
}

Word ChannelWorld::Read(const lh_lane& lane, lh_line* line) {
  const Word body = run().PlainLoad(&line->header.call);
  const Word rest = run().PlainLoad(OverflowOf(lane, line));
  if (body != rest) {
    run().Fail("the parts of a message differ: " + std::to_string(body) +
               " and " + std::to_string(rest));
  }
  return body;
}

void ChannelWorld::AwaitStateOf(const lh_lane& lane, uint32_t states) {
  run().Await({{&lh_lane_next(&lane)->header.word, states}});
}

void ChannelWorld::PutHost(Channel& channel, Word message) {
  lh_line* line = lh_put_begin(&channel.host.out);
  while (!line) {
    AwaitStateOf(channel.host.out, StateBit(LH_FREE));
    line = lh_put_begin(&channel.host.out);
  }
  Write(channel.host.out, line, message);
  Gave(channel.out, message);
  const lh_waiter waiter = Waiter();
  if (Misused(Misuse::kNoBell)) {
    lh_put_end(&channel.host.out, line);
  } else {
    lh_put(&channel.host, line, &waiter);
  }
  if (Misused(Misuse::kWriteAfterGive)) {
    Write(channel.host.out, line, message);
  }
}

Word ChannelWorld::FinishHost(Channel& channel, lh_line* line) {
  Word message = 0;
  if (Misused(Misuse::kReadAfterRelease)) {
    lh_release(&channel.host.in, line);
    message = Read(channel.host.in, line);
    Took(channel.in, message);
  } else {
    message = Read(channel.host.in, line);
    Took(channel.in, message);
    lh_release(&channel.host.in, line);
  }
  return message;
}

lh_waiter ChannelWorld::Waiter() {
  return lh_waiter{NeverSpin, looks_again_ ? SleepOrLookAgain : SleepOrLeave,
                   RingNic, &empty_sleeps_left_};
}

lh_line* ChannelWorld::GetHost(Channel& channel) {
  const lh_waiter waiter = Waiter();
  return lh_get(&channel.host.in, &waiter);
}

void ChannelWorld::WaitForRoomNic(Channel& channel) {
  AwaitStateOf(channel.nic_in, kEmptyStates | StateBit(LH_CLOSED));
}

enum lh_delivery ChannelWorld::DeliverNic(Channel& channel, Word message) {
  lh_line* line = lh_deliver_begin(&channel.nic_in);
  if (!line) {
    if (!Misused(Misuse::kDeliverUnasked)) return LH_NOT_EMPTY;
    line = lh_lane_next(&channel.nic_in);
  }
  Write(channel.nic_in, line, message);
  const enum lh_delivery delivery = lh_deliver_end(&channel.nic_in, line);
  ++deliveries_[static_cast<size_t>(delivery)];
  if (delivery != LH_DELIVERED && delivery != LH_DELIVERED_WAKE) {
    return delivery;
  }
  Gave(channel.in, message);
  if (Misused(Misuse::kWriteAfterGive)) Write(channel.nic_in, line, message);
  if (delivery == LH_DELIVERED_WAKE && !Misused(Misuse::kNoWake)) {
    lh_heavy_fence(0);
    run().Wake(&line->header.word);
  }
  return delivery;
}

bool ChannelWorld::RevokeNic(Channel& channel, Word message) {
  if (!lh_newest_waits(&channel.nic_in)) return false;
  if (!lh_revoke(&channel.nic_in)) return false;
  CameBack(channel.in, message);
  return true;
}

Word ChannelWorld::CollectNic(Channel& channel) {
  lh_line* line = lh_collect_begin(&channel.nic_out);
  if (!line) return 0;
  Word message = 0;
  if (Misused(Misuse::kCollectBeforeRead)) {
    lh_collect_end(&channel.nic_out, line);
    message = Read(channel.nic_out, line);
    Took(channel.out, message);
  } else {
    message = Read(channel.nic_out, line);
    Took(channel.out, message);
    lh_collect_end(&channel.nic_out, line);
  }
  return message;
}

}  // namespace lauberhorn::testing
