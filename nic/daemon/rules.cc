// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/rules.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace lauberhorn::nic::daemon {
namespace {

absl::Status Wrong(absl::string_view word, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("'", word, "': ", why));
}

absl::Status ReadUser(absl::string_view word, const std::string& name,
                      std::optional<uid_t>* user) {
  uid_t number;
  if (absl::SimpleAtoi(name, &number)) {
    *user = number;
    return absl::OkStatus();
  }
  const passwd* const found = getpwnam(name.c_str());
  if (found == nullptr) return Wrong(word, "there is no such user");
  *user = found->pw_uid;
  return absl::OkStatus();
}

absl::Status ReadGroup(absl::string_view word, const std::string& name,
                       std::optional<gid_t>* wanted) {
  gid_t number;
  if (absl::SimpleAtoi(name, &number)) {
    *wanted = number;
    return absl::OkStatus();
  }
  const ::group* const found = getgrnam(name.c_str());
  if (found == nullptr) return Wrong(word, "there is no such group");
  *wanted = found->gr_gid;
  return absl::OkStatus();
}

absl::Status ReadNumber(absl::string_view word, absl::string_view text,
                        std::uint32_t most, std::uint32_t* number) {
  if (absl::SimpleAtoi(text, number) && *number >= 1 && *number <= most) {
    return absl::OkStatus();
  }
  return Wrong(word, absl::StrCat("it is to be a number from 1 to ", most));
}

bool IsFileAt(const std::string& path, const std::string& link) {
  struct stat one;
  struct stat other;
  return stat(path.c_str(), &one) == 0 && stat(link.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

Identity IdentityOf(const lh_nic_event& event, bool executable) {
  Identity who;
  who.pid = static_cast<pid_t>(event.pid);
  who.uid = event.uid;
  who.gid = event.gid;
  if (who.pid <= 0) return who;
  const std::string folder = absl::StrCat("/proc/", who.pid);
  std::ifstream name(folder + "/comm");
  std::getline(name, who.program);
  if (!executable) return who;
  char path[PATH_MAX];
  const std::string link = folder + "/exe";
  const ssize_t size = readlink(link.c_str(), path, sizeof(path));
  if (size <= 0 || size == static_cast<ssize_t>(sizeof(path))) return who;
  // In namespaces of its own a process may have anything at this path.
  std::string file(path, static_cast<std::size_t>(size));
  if (IsFileAt(file, link)) who.executable = std::move(file);
  return who;
}

absl::Status Rules::Add(absl::string_view rule) {
  Rule added;
  for (const absl::string_view word :
       absl::StrSplit(rule, absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
    absl::Status status = AddWord(word, &added);
    if (!status.ok()) return status;
  }
  rules_.push_back(added);
  return absl::OkStatus();
}

absl::Status Rules::AddWord(absl::string_view word, Rule* rule) {
  if (word == "refuse") {
    rule->terms.refused = true;
    return absl::OkStatus();
  }
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(word, absl::MaxSplits('=', 1));
  const auto [key, value] = parts;
  const std::string text(value);
  if (key == "user") return ReadUser(word, text, &rule->user);
  if (key == "group") return ReadGroup(word, text, &rule->group);
  if (key == "exe") {
    if (!absl::StartsWith(value, "/")) {
      return Wrong(word, "it is to be a whole path");
    }
    rule->executable = text;
    return absl::OkStatus();
  }
  if (key == "weight") {
    return ReadNumber(word, value, kMaxWeight, &rule->terms.weight);
  }
  if (key == "calls") {
    return ReadNumber(word, value, ~std::uint32_t{0}, &rule->terms.calls);
  }
  return Wrong(
      word, "a rule's words are user=, group=, exe=, weight=, calls=, refuse");
}

bool Rules::NamesExecutables() const {
  return std::any_of(rules_.begin(), rules_.end(),
                     [](const Rule& rule) { return !rule.executable.empty(); });
}

Terms Rules::For(const Identity& who) const {
  for (const Rule& rule : rules_) {
    if ((!rule.user.has_value() || *rule.user == who.uid) &&
        (!rule.group.has_value() || *rule.group == who.gid) &&
        (rule.executable.empty() || rule.executable == who.executable)) {
      return rule.terms;
    }
  }
  return {};
}

}  // namespace lauberhorn::nic::daemon
