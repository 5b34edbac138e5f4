// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0

// Both ends of the transport under seeded random schedules: a network that
// loses, repeats, reorders, delays, cuts and corrupts packets, and sometimes
// all of them; clients whose address changes; servers that restart, answer
// late and are full sometimes; calls with and without deadlines, cancelled and
// disconnected. What holds in every one of them: a call ends exactly once, runs
// at most once, and its answer is its own.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "nic/client_transport.h"
#include "nic/testing/host_side.h"
#include "nic/testing/memory_wire.h"
#include "nic/testing/transport_peers.h"

namespace lauberhorn::nic {
namespace {

using testing::MemoryNetwork;
using testing::TestAddress;
using testing::TestClient;
using testing::TestSecret;
using testing::TestServer;

constexpr int kSeeds = 1000;
constexpr std::uint32_t kNumbers = 24;  // calls that may be open at a time
constexpr int kSteps = 60;
constexpr std::uint8_t kOk = 0;
constexpr std::uint8_t kDeadlineExceeded = 4;
constexpr std::uint8_t kUnavailable = 14;

// What happened in all schedules, so that none of it is missing unnoticed.
struct Seen {
  std::map<std::uint8_t, int> statuses;
  std::uint64_t retransmissions = 0;
  std::uint64_t probes = 0;
  std::uint64_t resets = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t dropped = 0;
  std::uint64_t given_up = 0;
  std::uint64_t moved = 0;
  std::uint64_t busy = 0;
  std::uint64_t refused = 0;
};

class Storm {
 public:
  explicit Storm(std::uint64_t seed)
      : random_(seed), network_(seed), open_(kNumbers, kNoCall) {
    network_.set_faults({.loss = Below(400),
                         .duplication = Below(300),
                         .reordering = Below(300),
                         .corruption = Below(100),
                         .truncation = Below(100),
                         .refusals = Below(2) == 0,
                         .min_delay = 0,
                         .max_delay = Below(3) == 0 ? 0 : DelayBelow(kSecond)});
    network_.set_filter([this](auto&&...) { return now_ >= dark_until_; });
    network_.Advance(now_);
    StartServer();
    Connect();
  }

  void Run(Seen* seen) {
    for (int step = 0; step < kSteps; ++step) Step();
    // From now on the network is whole and a server is there: all must end.
    network_.set_faults({});
    dark_until_ = now_;
    if (server_ == nullptr) StartServer();
    const Nanos limit = now_ + 100 * kSecond;
    while (OpenCalls() > 0 && now_ < limit) {
      Pass(std::min(NextEvent(), limit) - now_);
    }
    EXPECT_EQ(OpenCalls(), 0) << "calls that never end";
    CheckRuns();
    Pass(20 * kSecond);  // a server forgets calls whose CANCEL was lost
    EXPECT_EQ(client_.transport().Next(), kNever)
        << "an idle client has a timer";
    EXPECT_EQ(server_->transport().Next(), kNever)
        << "a server without calls has a timer";
    seen->retransmissions += client_.counters.retransmissions.value();
    seen->probes += client_.counters.probes.value();
    seen->resets += client_.counters.resets_received.value();
    for (const auto& [status, count] : statuses_) {
      seen->statuses[status] += count;
    }
    CountServer();
    seen->duplicates += duplicates_;
    seen->dropped += dropped_;
    seen->given_up += given_up_;
    seen->moved += moved_;
    seen->refused += client_.counters.unreachable_heard.value();
    seen->busy += client_.counters.busy_received.value();
  }

 private:
  static constexpr int kNoCall = -1;

  struct CallRecord {
    std::string payload;
    std::string meta;
    Nanos deadline;
    int runs = 0;
    int ends = 0;
    TestClient::Ended end = {};
  };

  unsigned Below(unsigned bound) {
    return static_cast<unsigned>(random_() % bound);
  }
  // Short ones as often as long ones.
  Nanos DelayBelow(Nanos bound) {
    return random_() % (std::max<Nanos>(bound >> Below(12), 1));
  }

  void StartServer() {
    server_ = std::make_unique<TestServer>(
        network_, TestAddress(1, 100), 3,
        TestSecret(static_cast<std::uint8_t>(10 + restarts_++)));
    server_->busy = [this] {
      server_->load = static_cast<std::uint8_t>(Below(256));
      return Below(4) == 0;
    };
    server_->answer = [this](std::uint32_t number, Nanos now) {
      // The payload says which call it is.
      const std::string& payload = server_->calls[number].payload;
      const auto id = static_cast<std::size_t>(std::stoi(payload));
      ASSERT_LT(id, records_.size());
      EXPECT_EQ(payload, records_[id].payload) << "wrong bytes";
      EXPECT_EQ(server_->calls[number].meta, records_[id].meta);
      EXPECT_EQ(++records_[id].runs, 1) << "call " << id << " ran twice";
      if (Below(3) == 0) {
        Answer(number, now);
      } else {
        answers_.emplace(now + (Below(8) == 0 ? Below(20) * kSecond
                                              : DelayBelow(4 * kSecond)),
                         number);
      }
    };
  }

  void Answer(std::uint32_t number, Nanos now) {
    const TestServer::Call& call = server_->calls[number];
    server_->Reply(number, kOk, call.payload + "!", now, call.meta);
  }

  void CountServer() {
    if (server_ == nullptr) return;
    duplicates_ += server_->counters.calls_duplicate.value();
    given_up_ += server_->counters.clients_lost.value() +
                 server_->counters.calls_unasked.value();
    moved_ += server_->counters.sessions_moved.value();
    for (const TestServer::Call& call : server_->calls) {
      EXPECT_LE(call.dropped, 1);
      dropped_ += static_cast<unsigned>(call.dropped);
    }
  }

  void StopServer() {
    CountServer();
    server_.reset();
    answers_.clear();
  }

  void Connect() {
    const auto peer = client_.transport().Connect(TestAddress(1, 100));
    ASSERT_TRUE(peer.ok()) << peer.status();
    peer_ = *peer;
  }

  void Call() {
    const auto number = static_cast<std::uint32_t>(
        std::find(open_.begin(), open_.end(), kNoCall) - open_.begin());
    if (number == kNumbers) return;
    CallRecord record;
    record.payload = std::to_string(records_.size());
    record.payload.resize(record.payload.size() + Below(kMaxPayload - 10), ' ');
    if (record.payload.size() < 1000) record.meta.resize(Below(300), 'm');
    record.deadline = Below(2) == 0 ? kNever : now_ + DelayBelow(8 * kSecond);
    records_.push_back(record);
    open_[number] = static_cast<int>(records_.size()) - 1;
    client_.transport().Call(
        number,
        {.peer = peer_,
         .method = 1,
         .deadline = record.deadline,
         .wait_for_ready = Below(3) == 0,
         .body = {Bytes(record.meta), Bytes(record.payload)}},
        now_);
    TakeEnded();
  }

  void Step() {
    const unsigned what = Below(100);
    if (what < 60) {
      Call();
    } else if (what < 66) {
      const std::uint32_t number = Below(kNumbers);
      if (client_.transport().IsOpen(number)) {
        client_.transport().Cancel(number, now_);
      }
    } else if (what < 67) {
      EXPECT_TRUE(client_.transport().Disconnect(peer_, now_).ok());
      Connect();
    } else if (what < 69) {
      StopServer();
    } else if (what < 71) {
      network_.Translate(client_.transport().wires()[0]->local(),
                         TestAddress(9, ++moves_));
    } else if (what < 74) {
      dark_until_ = now_ + Below(20) * kSecond;
    } else if (server_ == nullptr) {
      StartServer();
    }
    TakeEnded();
    Pass(Below(50) == 0 ? 20 * kSecond : DelayBelow(2 * kSecond));
  }

  Nanos NextEvent() const {
    return std::min({client_.transport().Next(), network_.Next(),
                     server_ == nullptr ? kNever : server_->transport().Next(),
                     answers_.empty() ? kNever : answers_.begin()->first});
  }

  void Pass(Nanos time) {
    const Nanos until = now_ + time;
    for (;;) {
      now_ = std::max(now_, std::min(NextEvent(), until));
      network_.Advance(now_);
      while (!answers_.empty() && answers_.begin()->first <= now_) {
        const std::uint32_t number = answers_.begin()->second;
        answers_.erase(answers_.begin());
        // Some that were dropped meanwhile, too: these must reach nobody.
        Answer(number, now_);
      }
      if (server_ != nullptr) server_->Poll(now_);
      client_.Poll(now_);
      TakeEnded();
      if (now_ >= until && NextEvent() > now_) return;
    }
  }

  void TakeEnded() {
    for (TestClient::Ended& ended : client_.ended) {
      const int id = open_[ended.call];
      ASSERT_NE(id, kNoCall) << "an end of no call";
      open_[ended.call] = kNoCall;
      CallRecord& record = records_[static_cast<std::size_t>(id)];
      EXPECT_EQ(++record.ends, 1) << "call " << id << " ended twice";
      ++statuses_[ended.status];
      if (ended.status == kOk) {
        EXPECT_EQ(ended.text, record.payload + "!") << "wrong bytes";
        EXPECT_EQ(ended.meta, record.meta);
        EXPECT_EQ(record.runs, 1);
      }
      if (ended.status == kDeadlineExceeded) {
        EXPECT_GE(now_, record.deadline);
      }
      record.end = std::move(ended);
    }
    client_.ended.clear();
    for (const int id : open_) {
      if (id == kNoCall) continue;
      EXPECT_GT(records_[static_cast<std::size_t>(id)].deadline, now_)
          << "call " << id << " is open after its deadline";
    }
  }

  int OpenCalls() const {
    return static_cast<int>(std::count_if(
        open_.begin(), open_.end(), [](auto call) { return call != kNoCall; }));
  }

  void CheckRuns() const {
    for (const CallRecord& record : records_) {
      EXPECT_EQ(record.ends, 1);
      const bool not_sent =
          record.end.text.find("is the server running") != std::string::npos ||
          record.end.text.find("could be sent") != std::string::npos;
      if (not_sent) {
        EXPECT_EQ(record.runs, 0) << record.end.text;
      } else if (record.end.status == kUnavailable) {
        EXPECT_NE(record.end.text.find("may have run"), std::string::npos);
      }
    }
  }

  std::mt19937_64 random_;
  MemoryNetwork network_;
  std::unique_ptr<TestServer> server_;
  TestClient client_{network_, TestAddress(2), kNumbers, 2, TestSecret(1)};
  std::vector<int> open_;  // of each number: which record
  std::vector<CallRecord> records_;
  std::multimap<Nanos, std::uint32_t> answers_;  // of the server, to come
  std::map<std::uint8_t, int> statuses_;
  std::uint64_t peer_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t given_up_ = 0;  // clients, and calls
  std::uint64_t moved_ = 0;
  std::uint16_t moves_ = 0;
  Nanos dark_until_ = 0;  // everything is lost
  int restarts_ = 0;
  Nanos now_ = 1000 * kSecond;
};

TEST(TransportStormTest, EveryCallEndsOnceRunsAtMostOnceAndGetsItsAnswer) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm(seed).Run(&seen);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  EXPECT_EQ(seen.statuses.size(), 4u)
      << "OK, CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE";
  for (const auto& [status, count] : seen.statuses) {
    RecordProperty("status_" + std::to_string(status), count);
    EXPECT_GT(count, kSeeds) << int{status};
  }
  EXPECT_GT(seen.retransmissions, 1u * kSeeds);
  EXPECT_GT(seen.probes, 1u * kSeeds);
  EXPECT_GT(seen.resets, kSeeds / 10u);
  EXPECT_GT(seen.duplicates, 1u * kSeeds);
  EXPECT_GT(seen.dropped, 1u * kSeeds);
  EXPECT_GT(seen.given_up, kSeeds / 20u);
  EXPECT_GT(seen.moved, kSeeds / 10u);
  EXPECT_GT(seen.busy, 1u * kSeeds);
  EXPECT_GT(seen.refused, 1u * kSeeds);
}

}  // namespace
}  // namespace lauberhorn::nic
