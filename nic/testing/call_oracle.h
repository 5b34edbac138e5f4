// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/testing/call_oracle.h
//
// What must be true of every call, whatever the network and the hosts do:
//
//  * it ends exactly once, or never if its caller has died
//  * it runs at most once, with the request's own bytes
//  * OK says that it ran, and brings the handler's own answer
//  * an error that does not say that the call may have run says the truth
//  * DEADLINE_EXCEEDED comes after the deadline, CANCELLED to who cancelled or
//    made the call for one that has ended
//  * it ends soon after its deadline, and in bounded time without one
//  * its handler learns soon that nobody waits for it, although one packet
//  about
//    that is lost
//
// The threads of a simulation tell the oracle what they do and see; it keeps a
// list of what was not as it must be.
#ifndef LAUBERHORN_NIC_TESTING_CALL_ORACLE_H_
#define LAUBERHORN_NIC_TESTING_CALL_ORACLE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nic/testing/host_side.h"
#include "nic/time.h"

namespace lauberhorn::nic::testing {

// What a call is going to do.
struct CallPlan {
  enum class Ending {
    kReply,
    kFail,            // with ABORTED
    kUntilCancelled,  // it replies when nobody waits any more
    kThreadEnds,      // as librpc ends a thread inside a handler
    kThreadVanishes,  // without a word
  };
  std::size_t server = 0;  // index of the process
  bool known_method = true;
  Nanos timeout = kNever;
  Nanos cancel_after = kNever;  // from when it was started
  bool wait_for_ready = false;
  bool linked = false;  // of a handler: it ends with the call that it is for
  std::uint32_t request_size = 8;
  std::uint32_t reply_size = 0;
  // The handler: how long it computes before each call of its own and at its
  // end.
  Nanos duration = 0;
  std::vector<CallPlan> nested;
  Ending ending = Ending::kReply;
};

class CallOracle {
 public:
  struct Call {
    std::uint64_t id;
    CallPlan plan;
    std::size_t caller;  // index of the process
    Nanos started;
    Nanos deadline;
    bool caller_died = false;
    bool cancelled = false;
    bool disconnected = false;
    int runs = 0;
    int ends = 0;
    std::uint64_t answer_status = 0;  // of the handler, if `answered`
    std::string answer;
    bool answered = false;
    Nanos ended = kNever;
    std::uint64_t status = 0;
    std::string text;  // of its end
  };
  static constexpr std::size_t kStatuses = 17;

  // How often what matters most was not as it must be; each time is a
  // complaint, too.
  struct Broken {
    std::uint64_t lost = 0;         // calls that never ended
    std::uint64_t duplicated = 0;   // calls that ran again, or ended again
    std::uint64_t wrong_bytes = 0;  // requests that nobody sent, answers that
                                    // no handler gave
  };

  // `longest` is what a call without a deadline may take.
  explicit CallOracle(Nanos longest) : longest_(longest) {}

  CallOracle(const CallOracle&) = delete;
  CallOracle& operator=(const CallOracle&) = delete;

  // A new call, and what it is to send. Its deadline is at most `latest`.
  Call& Start(const CallPlan& plan, std::size_t caller, Nanos now,
              Nanos latest = kNever);
  static std::string RequestOf(const Call& call);
  static std::string ReplyOf(const Call& call);

  // A handler begins; null if these bytes are no request.
  Call* Run(absl::string_view request);
  // The thread that has the call answers it.
  void Answer(Call& call, std::uint64_t status, absl::string_view payload);
  // The call of a request that was not run; null if it is none.
  Call* Find(absl::string_view request);

  void End(Call& call, std::uint64_t status, absl::string_view text, Nanos now);

  // From now on at most one packet is lost of those that say the same.
  void Healed(Nanos now) { healed_ = now; }
  // A handler that looks since `since` sees that nobody waits for the call.
  void Told(const Call& call, Nanos since, Nanos now);

  void CallerDied(std::size_t caller);
  void Disconnected(std::size_t caller, std::size_t server);

  // Something else was not as it must be.
  void Complain(std::string what);

  // Looks at how all of them ended, when nothing more can happen.
  void Finish();

  std::size_t open() const { return open_; }
  std::size_t started() const { return calls_.size(); }
  // How many ended with each status.
  const std::array<std::uint64_t, kStatuses>& statuses() const {
    return statuses_;
  }
  const std::vector<std::string>& complaints() const { return complaints_; }
  const Broken& broken() const { return broken_; }

 private:
  void Check(const Call& call);
  void Complain(const Call& call, absl::string_view what);

  const Nanos longest_;
  std::deque<Call> calls_;  // by id
  std::size_t open_ = 0;
  Nanos healed_ = kNever;
  std::array<std::uint64_t, kStatuses> statuses_ = {};
  std::vector<std::string> complaints_;
  Broken broken_;
};

}  // namespace lauberhorn::nic::testing

#endif  // LAUBERHORN_NIC_TESTING_CALL_ORACLE_H_
