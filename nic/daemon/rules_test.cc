// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/rules.h"

#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::daemon {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

Rules Made(const std::vector<std::string>& lines) {
  Rules rules;
  for (const std::string& line : lines) {
    EXPECT_TRUE(rules.Add(line).ok()) << line;
  }
  return rules;
}

Identity User(uid_t uid, const std::string& executable = "") {
  Identity who;
  who.uid = uid;
  who.gid = uid + 1;
  who.executable = executable;
  return who;
}

TEST(RulesTest, WithoutARuleAllAreEqual) {
  const Terms terms = Rules().For(User(7));
  EXPECT_FALSE(terms.refused);
  EXPECT_EQ(terms.weight, 1u);
  EXPECT_EQ(terms.calls, ~std::uint32_t{0});
}

TEST(RulesTest, TheFirstThatFitsDecides) {
  const Rules rules =
      Made({"user=7 exe=/bin/a weight=5 calls=9", "user=7\tweight=4",
            "exe=/bin/a refuse", "group=12 weight=3", "weight=2"});
  EXPECT_EQ(rules.size(), 5u);
  EXPECT_TRUE(rules.NamesExecutables());
  EXPECT_FALSE(Made({"user=7 weight=4"}).NamesExecutables());
  EXPECT_EQ(rules.For(User(7, "/bin/a")).weight, 5u);
  EXPECT_EQ(rules.For(User(7, "/bin/a")).calls, 9u);
  EXPECT_EQ(rules.For(User(7, "/bin/b")).weight, 4u);
  EXPECT_TRUE(rules.For(User(8, "/bin/a")).refused);
  EXPECT_EQ(rules.For(User(11)).weight, 3u);
  EXPECT_EQ(rules.For(User(8)).weight, 2u);
  EXPECT_FALSE(rules.For(User(8)).refused);
}

TEST(RulesTest, UsersAndGroupsHaveNames) {
  const Rules rules = Made({"user=root weight=4", "group=root refuse"});
  EXPECT_EQ(rules.For(User(0)).weight, 4u);
  Identity who = User(9);
  who.gid = 0;
  EXPECT_TRUE(rules.For(who).refused);
}

TEST(RulesTest, SaysWhatIsWrongWithARule) {
  for (const char* rule :
       {"user=no-such-user-here", "group=no-such-group-here", "exe=relative",
        "weight=0", "weight=10001", "weight=x", "weight=", "calls=0",
        "calls=4294967296", "nice=3", "weight", "user",
        "user=7 =", "refuse=1"}) {
    Rules rules;
    const absl::Status status = rules.Add(rule);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << rule;
    EXPECT_THAT(std::string(status.message()), HasSubstr("'")) << rule;
    EXPECT_EQ(rules.size(), 0u);
  }
}

TEST(RulesTest, KnowsWhatAProcessRuns) {
  lh_nic_event event = {};
  event.pid = static_cast<__u32>(getpid());
  event.uid = 5;
  event.gid = 6;
  const Identity who = IdentityOf(event, true);
  EXPECT_EQ(who.pid, getpid());
  EXPECT_EQ(who.uid, 5u);
  EXPECT_EQ(who.gid, 6u);
  EXPECT_THAT(who.executable, EndsWith("/nic_daemon_rules_test"));
  EXPECT_FALSE(who.program.empty());
  EXPECT_EQ(IdentityOf(event, false).executable, "") << "nobody asked";
  EXPECT_EQ(IdentityOf(event, false).program, who.program);
  // One that this NIC cannot see.
  event.pid = 0;
  EXPECT_EQ(IdentityOf(event, true).executable, "");
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
