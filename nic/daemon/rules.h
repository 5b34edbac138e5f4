// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// File: nic/daemon/rules.h
//
// On what terms processes may use the NIC, as whoever runs it says: rules, each
// a line of words, of which the first that fits a process decides.
//
//   user=NAME|NUMBER   fits processes of this user
//   group=NAME|NUMBER  of this group
//   exe=PATH           that run this program
//   weight=N           of what is left of the CPUs, beside other processes
//   calls=N            calls of its own that are accepted at a time
//   refuse             it may not attach
//
// A rule without user, group and exe fits all. Whose a process is says the
// kernel (abi/host/device.h).
#ifndef LAUBERHORN_NIC_DAEMON_RULES_H_
#define LAUBERHORN_NIC_DAEMON_RULES_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "abi/host/device.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace lauberhorn::nic::daemon {

// Who attaches.
struct Identity {
  pid_t pid = 0;  // 0 if this NIC cannot see it
  uid_t uid = 0;
  gid_t gid = 0;
  std::string program;     // its name, as it says itself; may be empty
  std::string executable;  // the file that it runs; empty if it is not known
};

// Of a process that waits for its answer, so that it is the one of this number.
// What it runs is asked for only if `executable`, as its file system may keep
// whoever asks; it is known only if this NIC sees the same file at its path.
Identity IdentityOf(const lh_nic_event& event, bool executable);

struct Terms {
  bool refused = false;
  std::uint32_t weight = 1;
  std::uint32_t calls = ~std::uint32_t{0};
};

class Rules {
 public:
  static constexpr std::uint32_t kMaxWeight = 10'000;

  // Adds a rule behind the others. INVALID_ARGUMENT says what is wrong with it.
  absl::Status Add(absl::string_view rule);

  // The terms of whoever no rule fits are those of `Terms{}`.
  Terms For(const Identity& who) const;

  std::size_t size() const { return rules_.size(); }
  // Whether any is about what a process runs.
  bool NamesExecutables() const;

 private:
  struct Rule {
    std::optional<uid_t> user;
    std::optional<gid_t> group;
    std::string executable;
    Terms terms;
  };
  static absl::Status AddWord(absl::string_view word, Rule* rule);

  std::vector<Rule> rules_;
};

}  // namespace lauberhorn::nic::daemon

#endif  // LAUBERHORN_NIC_DAEMON_RULES_H_
