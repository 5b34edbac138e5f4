// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/edge_log_checker.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::conformance {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kOut = 0x10000;
constexpr std::uint64_t kIn = 0x20000;
constexpr std::uint64_t kStride = 128;
constexpr std::uint32_t kSlots = 3;

lh_edge_log_record LaneRecord(unsigned direction, std::uint64_t at,
                              std::uint32_t slots = kSlots) {
  return {std::uint64_t{LH_EDGE_LOG_LANE} << 56 | at,
          std::uint64_t{direction} << 32 | slots, kStride};
}

lh_edge_log_record Record(std::uint64_t edge, std::uint64_t lane,
                          std::uint64_t slot, std::uint64_t old,
                          std::uint64_t value) {
  return {(edge + 1) << 56 | (lane + slot * kStride), old, value};
}

// The edges, by name, of a slot of a lane, with the tag before.
lh_edge_log_record Put(std::uint64_t slot, std::uint64_t tag) {
  return Record(LH_EDGE_PUT, kOut, slot, lh_word(LH_FREE, tag),
                lh_word(LH_FULL, tag + 1));
}
lh_edge_log_record Collect(std::uint64_t slot, std::uint64_t tag) {
  return Record(LH_EDGE_COLLECT, kOut, slot, lh_word(LH_FULL, tag),
                lh_word(LH_FREE, tag));
}
lh_edge_log_record Deliver(std::uint64_t slot, std::uint64_t tag,
                           unsigned from = LH_FREE) {
  return Record(LH_EDGE_DELIVER, kIn, slot, lh_word(from, tag),
                lh_word(LH_FULL, tag + 1));
}
lh_edge_log_record Step(std::uint64_t edge, std::uint64_t slot,
                        std::uint64_t tag, unsigned from, unsigned to) {
  return Record(edge, kIn, slot, lh_word(from, tag), lh_word(to, tag));
}
lh_edge_log_record Take(std::uint64_t slot, std::uint64_t tag) {
  return Step(LH_EDGE_TAKE, slot, tag, LH_FULL, LH_TAKEN);
}
lh_edge_log_record Release(std::uint64_t slot, std::uint64_t tag) {
  return Step(LH_EDGE_RELEASE, slot, tag, LH_TAKEN, LH_FREE);
}
lh_edge_log_record Revoke(std::uint64_t slot, std::uint64_t tag) {
  return Step(LH_EDGE_REVOKE, slot, tag, LH_FULL, LH_FREE);
}
lh_edge_log_record Park(std::uint64_t slot, std::uint64_t tag) {
  return Step(LH_EDGE_PARK, slot, tag, LH_FREE, LH_PARKED);
}
lh_edge_log_record Unpark(std::uint64_t slot, std::uint64_t tag) {
  return Step(LH_EDGE_UNPARK, slot, tag, LH_PARKED, LH_FREE);
}
lh_edge_log_record Close(std::uint64_t slot, std::uint64_t tag,
                         unsigned from = LH_FREE) {
  return Step(LH_EDGE_CLOSE, slot, tag, from, LH_CLOSED);
}
lh_edge_log_record Reopen(std::uint64_t slot, std::uint64_t tag) {
  return Step(LH_EDGE_REOPEN, slot, tag, LH_CLOSED, LH_FREE);
}

using Log = std::vector<lh_edge_log_record>;

std::vector<std::string> Errors(const Log& log, bool ended = true) {
  EdgeLogChecker checker;
  checker.Add(LaneRecord(LH_LANE_OUT, kOut));
  checker.Add(LaneRecord(LH_LANE_IN, kIn));
  for (const lh_edge_log_record& record : log) checker.Add(record);
  checker.Finish(ended);
  return checker.errors();
}

// Every edge once, as they happen.
Log EveryEdge() {
  return {Park(0, 0),    Deliver(0, 0, LH_PARKED),
          Take(0, 1),    Put(0, 0),
          Collect(0, 1), Release(0, 1),
          Park(1, 0),    Unpark(1, 0),
          Deliver(1, 0), Revoke(1, 1),
          Close(1, 1),   Reopen(1, 1),
          Deliver(1, 1), Take(1, 2),
          Release(1, 2)};
}

TEST(EdgeLogCheckerTest, TakesWhatTheTableAllows) {
  EXPECT_THAT(Errors(EveryEdge()), IsEmpty());
  EdgeLogChecker checker;
  checker.Add(LaneRecord(LH_LANE_OUT, kOut));
  checker.Add(LaneRecord(LH_LANE_IN, kIn));
  for (const lh_edge_log_record& record : EveryEdge()) checker.Add(record);
  for (const std::uint64_t count : checker.taken()) EXPECT_GT(count, 0u);
}

// A log with one record left out, or changed, is no log of this lane.
TEST(EdgeLogCheckerTest, RefusesALogThatIsBrokenAnywhere) {
  const Log good = EveryEdge();
  // Whether the last edge of a slot was taken nobody can know afterwards.
  const std::size_t last_of_slot[] = {4, 5, 14};
  for (std::size_t at = 0; at < good.size(); ++at) {
    Log log = good;
    log[at].value += lh_word(0, 1);
    EXPECT_FALSE(Errors(log).empty()) << "a wrong tag in " << at;
    log = good;
    log[at].what += kStride;
    EXPECT_FALSE(Errors(log).empty()) << "a wrong slot in " << at;
    log = good;
    log[at].what += std::uint64_t{1} << 56;
    EXPECT_FALSE(Errors(log).empty()) << "another edge in " << at;
    if (std::find(std::begin(last_of_slot), std::end(last_of_slot), at) !=
        std::end(last_of_slot)) {
      continue;
    }
    log = good;
    log.erase(log.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_FALSE(Errors(log).empty()) << at << " left out";
  }
}

TEST(EdgeLogCheckerTest, TakesRecordsOfTwoPartiesInAnyOrder) {
  // The NIC writes late that it delivered.
  EXPECT_THAT(Errors({Take(0, 1), Park(1, 0), Deliver(0, 0), Release(0, 1)}),
              IsEmpty());
  // The host left its sleep before that, and writes so last.
  EXPECT_THAT(Errors({Park(0, 0), Deliver(0, 0), Unpark(0, 0)}), IsEmpty());
}

TEST(EdgeLogCheckerTest, RefusesWhatIsNoPath) {
  EXPECT_THAT(Errors({Deliver(0, 0), Take(0, 1), Revoke(0, 1)}),
              ElementsAre(HasSubstr("no path")));
  EXPECT_THAT(Errors({Park(0, 0), Park(0, 0)}),
              ElementsAre(HasSubstr("no path")));
  EXPECT_THAT(Errors({Deliver(0, 0, LH_PARKED)}),
              ElementsAre(HasSubstr("no path")));
  EXPECT_THAT(Errors({Take(0, 5)}), ElementsAre(HasSubstr("nobody filled")));
  EXPECT_THAT(Errors({Put(0, 0), Put(1, 0), Put(2, 0), Collect(0, 1), Put(0, 3),
                      Collect(1, 1), Collect(2, 1)}),
              Contains(HasSubstr("FULL(2) was left out")));
}

TEST(EdgeLogCheckerTest, RefusesTwoMessagesWithOneWord) {
  EXPECT_THAT(Errors({Deliver(0, 0), Revoke(0, 1), Deliver(0, 0)}),
              Contains(HasSubstr("two messages")));
}

TEST(EdgeLogCheckerTest, RefusesWhatIsNotAtThePosition) {
  EXPECT_THAT(Errors({Put(1, 0)}), ElementsAre(HasSubstr("position is 0")));
  EXPECT_THAT(Errors({Deliver(0, 0), Deliver(1, 0), Revoke(0, 1)}),
              ElementsAre(HasSubstr("revoke at slot 0")));
  EXPECT_THAT(Errors({Deliver(0, 0), Deliver(1, 0), Take(1, 1)}),
              ElementsAre(HasSubstr("take at slot 1")));
  EXPECT_THAT(Errors({Close(0, 0), Reopen(1, 0)}),
              Contains(HasSubstr("reopen at slot 1")));
}

// A thread died that had taken one message and not the next. Somebody closes
// for it, tells the NIC, and this reopens; the next thread goes on.
Log Dies() { return {Deliver(0, 0), Take(0, 1), Deliver(1, 0)}; }
Log Closed() { return {Release(0, 1), Close(0, 1), Close(2, 0)}; }
Log Reopened() { return {Revoke(1, 1), Reopen(2, 0), Reopen(0, 1)}; }
Log GoesOn() {
  return {Park(1, 1), Deliver(1, 1, LH_PARKED), Take(1, 2), Release(1, 2)};
}

Log Joined(std::initializer_list<Log> parts) {
  Log joined;
  for (const Log& part : parts) {
    joined.insert(joined.end(), part.begin(), part.end());
  }
  return joined;
}

TEST(EdgeLogCheckerTest, TakesWhoClosesForADeadThread) {
  EXPECT_THAT(Errors(Joined({Dies(), Closed(), Reopened(), GoesOn()})),
              IsEmpty());
  // The NIC is not there any more.
  EXPECT_THAT(Errors(Joined({Dies(), Closed()})), IsEmpty());
  // It was parked, and what the NIC gives it meanwhile is taken back.
  EXPECT_THAT(Errors({Park(0, 0), Close(2, 0), Close(1, 0),
                      Deliver(0, 0, LH_PARKED), Revoke(0, 1), Deliver(0, 1),
                      Revoke(0, 2), Reopen(1, 0), Reopen(2, 0), Park(0, 2)}),
              IsEmpty());
  // The next thread waits where it is open already.
  EXPECT_THAT(Errors({Park(0, 0), Close(1, 0), Close(0, 0, LH_PARKED),
                      Close(2, 0), Reopen(1, 0), Reopen(0, 0), Park(0, 0),
                      Unpark(0, 0), Reopen(2, 0), Deliver(0, 0)}),
              IsEmpty());
  // Another dies there.
  EXPECT_THAT(Errors(Joined({Dies(),
                             Closed(),
                             Reopened(),
                             GoesOn(),
                             {Close(0, 1), Close(1, 2), Close(2, 0)},
                             {Reopen(2, 0), Reopen(0, 1), Reopen(1, 2)},
                             {Park(2, 0)}})),
              IsEmpty());
}

TEST(EdgeLogCheckerTest, RefusesALogOfADeathThatIsBrokenAnywhere) {
  const Log good = Joined({Dies(), Closed(), Reopened(), GoesOn()});
  for (std::size_t at = 0; at + 1 < good.size(); ++at) {
    Log log = good;
    log[at].what += kStride;
    EXPECT_FALSE(Errors(log).empty()) << "a wrong slot in " << at;
    log = good;
    log.erase(log.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_FALSE(Errors(log).empty()) << at << " left out";
  }
}

TEST(EdgeLogCheckerTest, RefusesWhoClosesForADeadThreadInPart) {
  // What is empty is not closed.
  EXPECT_THAT(Errors({Close(2, 0)}),
              ElementsAre(HasSubstr("is FREE at the end"),
                          HasSubstr("is FREE at the end")));
  EXPECT_THAT(Errors(Joined({Dies(), {Release(0, 1), Close(2, 0)}})),
              ElementsAre(HasSubstr("is FREE at the end")));
  EXPECT_THAT(Errors(Joined({Dies(),
                             {Release(0, 1), Close(2, 0)},
                             {Revoke(1, 1), Reopen(2, 0)},
                             GoesOn()})),
              ElementsAre(HasSubstr("is FREE when its lane is reopened")));
  EXPECT_THAT(Errors({Park(0, 0), Close(1, 0), Close(2, 0), Reopen(1, 0),
                      Reopen(2, 0)}),
              ElementsAre(HasSubstr("is PARKED when")));
  // What was taken is not released.
  EXPECT_THAT(Errors(Joined({Dies(), {Close(2, 0)}})),
              ElementsAre(HasSubstr("is TAKEN at the end")));
  EXPECT_THAT(
      Errors(Joined({Dies(), {Close(2, 0)}, {Revoke(1, 1), Reopen(2, 0)}})),
      ElementsAre(HasSubstr("is TAKEN when")));
}

TEST(EdgeLogCheckerTest, RefusesWhoDoesMoreForADeadThreadThanClose) {
  EXPECT_THAT(Errors(Joined({Dies(), Closed(), {Take(1, 1)}})),
              Contains(HasSubstr("take in a lane that was closed")));
  EXPECT_THAT(Errors({Close(1, 0), Park(0, 0)}),
              Contains(HasSubstr("park in a lane that was closed")));
  EXPECT_THAT(Errors({Park(0, 0), Close(1, 0), Unpark(0, 0)}),
              Contains(HasSubstr("unpark in a lane that was closed")));
  // What is FULL is the NIC's, what is TAKEN is released first.
  EXPECT_THAT(Errors(Joined({Dies(), Closed(), {Close(1, 1, LH_FULL)}})),
              Contains(HasSubstr("close does not go from FULL(1)")));
  EXPECT_THAT(Errors(Joined({Dies(), {Close(0, 1), Close(2, 0)}})),
              Contains(HasSubstr("no path")));
  EXPECT_THAT(Errors({Close(0, 0), Close(1, 0), Close(2, 0), Close(1, 0)}),
              Contains(HasSubstr("no path")));
}

TEST(EdgeLogCheckerTest, RefusesALaneThatIsReopenedInPart) {
  const Log closed = {Close(0, 0), Close(1, 0), Close(2, 0)};
  EXPECT_THAT(Errors(Joined({closed, {Reopen(0, 0), Reopen(1, 0)}})),
              ElementsAre(HasSubstr("reopened in part")));
  EXPECT_THAT(
      Errors(Joined({closed, {Reopen(0, 0), Reopen(1, 0), Deliver(0, 0)}})),
      Contains(HasSubstr("deliver before each slot")));
  EXPECT_THAT(
      Errors(Joined({closed, {Reopen(0, 0), Close(0, 0), Reopen(1, 0)}})),
      Contains(HasSubstr("close before each slot")));
  // What it had not taken is still there.
  EXPECT_THAT(Errors(Joined({Dies(), Closed(), {Reopen(2, 0), Reopen(0, 1)}})),
              ElementsAre(HasSubstr("is FULL when")));
  // The next thread forgets where the last one was.
  EXPECT_THAT(Errors(Joined({Dies(), Closed(), Reopened(), {Park(0, 1)}})),
              ElementsAre(HasSubstr("position is 1")));
}

TEST(EdgeLogCheckerTest, RefusesAThreadThatClosesElsewhere) {
  EXPECT_THAT(Errors({Deliver(0, 0), Take(0, 1), Release(0, 1), Close(0, 1),
                      Reopen(0, 1)}),
              Contains(HasSubstr("is FREE when")));
  EXPECT_THAT(Errors({Deliver(0, 0), Close(1, 0), Reopen(1, 0)}),
              Contains(HasSubstr("is FREE when")));
}

TEST(EdgeLogCheckerTest, RefusesThatAllSlotsAreHeld) {
  EXPECT_THAT(Errors({Deliver(0, 0), Deliver(1, 0), Take(0, 1), Take(1, 1)}),
              IsEmpty());
  EXPECT_THAT(Errors({Deliver(0, 0), Deliver(1, 0), Deliver(2, 0), Take(0, 1),
                      Take(1, 1), Take(2, 1)}),
              ElementsAre(HasSubstr("all 3 slots")));
}

TEST(EdgeLogCheckerTest, RefusesEdgesElsewhere) {
  const lh_edge_log_record nowhere =
      Record(LH_EDGE_PUT, 0x30000, 0, lh_word(LH_FREE, 0), lh_word(LH_FULL, 1));
  EXPECT_THAT(Errors({nowhere}), ElementsAre(HasSubstr("where no")));
  const lh_edge_log_record other_lane =
      Record(LH_EDGE_PUT, kIn, 0, lh_word(LH_FREE, 0), lh_word(LH_FULL, 1));
  EXPECT_THAT(Errors({other_lane}), ElementsAre(HasSubstr("of this lane")));
  EXPECT_THAT(Errors({LaneRecord(2, 0x40000)}),
              ElementsAre(HasSubstr("no lane is like that")));
  EXPECT_THAT(Errors({{0, 0, 0}}), ElementsAre(HasSubstr("the kind 0")));
}

TEST(EdgeLogCheckerTest, MemoryMayBecomeAnotherLane) {
  EXPECT_THAT(Errors({Deliver(0, 0), Take(0, 1), LaneRecord(LH_LANE_IN, kIn),
                      Deliver(0, 0), Take(0, 1)}),
              IsEmpty());
  // Another one that reaches into it.
  EXPECT_THAT(Errors({Deliver(0, 0), LaneRecord(LH_LANE_IN, kIn - kStride, 2),
                      Put(0, 0), Deliver(0, 0)}),
              ElementsAre(HasSubstr("position is 0")))
      << "its slot 0 is now slot 1";
}

TEST(EdgeLogCheckerTest, WhoWasEndedMayHaveLeftOutItsLastRecord) {
  const Log log = {Take(0, 1), Release(0, 1)};  // not that it was delivered
  EXPECT_THAT(Errors(log, /*ended=*/false), IsEmpty());
  EXPECT_FALSE(Errors(log, /*ended=*/true).empty());
  // But not one long ago.
  EXPECT_FALSE(
      Errors({Put(0, 0), Put(1, 0), Put(2, 0), Put(0, 1), Collect(1, 1),
              Put(1, 1), Collect(0, 2), Put(0, 2), Collect(0, 3)},
             /*ended=*/false)
          .empty());
}

}  // namespace
}  // namespace lauberhorn::conformance
