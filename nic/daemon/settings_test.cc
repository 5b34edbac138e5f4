// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
#include "nic/daemon/settings.h"

#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lauberhorn::nic::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SettingsTest : public ::testing::Test {
 protected:
  std::optional<int> Read(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "lauberhornd");
    std::ostringstream out;
    std::ostringstream error;
    const std::optional<int> status =
        ReadSettings(static_cast<int>(arguments.size()), arguments.data(),
                     &settings_, out, error);
    out_ = out.str();
    error_ = error.str();
    return status;
  }

  // A file with this text; its name.
  std::string File(const std::string& text) {
    std::string name = ::testing::TempDir() + "lauberhornd_test.conf";
    std::ofstream(name) << text;
    return name;
  }
  std::uint32_t WeightOf(uid_t uid) const {
    Identity who;
    who.uid = uid;
    return settings_.daemon.rules.For(who).weight;
  }

  Settings settings_;
  std::string out_;
  std::string error_;
};

TEST_F(SettingsTest, TheCommandLine) {
  const std::optional<int> status =
      Read({"--device", "/dev/lauberhorn3-nic", "--processes", "9",
            "--endpoints", "8", "--slots", "7", "--arrived", "6", "--own", "5",
            "--spin", "--log-level", "warn", "--rule", "user=1 weight=2",
            "--rule", "user=3 weight=4"});
  EXPECT_EQ(status, std::nullopt) << error_;
  EXPECT_EQ(settings_.device, "/dev/lauberhorn3-nic");
  const Geometry& geometry = settings_.daemon.geometry;
  EXPECT_EQ(geometry.processes, 9u);
  EXPECT_EQ(geometry.endpoints, 8u);
  EXPECT_EQ(geometry.slots, 7u);
  EXPECT_EQ(geometry.arrived, 6u);
  EXPECT_EQ(geometry.own, 5u);
  EXPECT_EQ(geometry.cpus, PossibleCpus());
  EXPECT_TRUE(geometry.spin);
  EXPECT_EQ(settings_.log_level, "warn");
  EXPECT_EQ(WeightOf(1), 2u);
  EXPECT_EQ(WeightOf(3), 4u);
}

TEST_F(SettingsTest, AFileSaysTheSame) {
  const std::string file = File(
      "# text\n"
      "endpoints = 8\n"
      "slots=6\n"
      "spin = true\n"
      "rule = \"user=1 weight=2\"\n"
      "rule = \"user=3 weight=4\"\n");
  const std::optional<int> status =
      Read({"--config", file.c_str(), "--slots", "3"});
  EXPECT_EQ(status, std::nullopt) << error_;
  EXPECT_EQ(settings_.daemon.geometry.endpoints, 8u);
  EXPECT_EQ(settings_.daemon.geometry.slots, 3u) << "the command line's";
  EXPECT_TRUE(settings_.daemon.geometry.spin);
  EXPECT_EQ(WeightOf(1), 2u);
  EXPECT_EQ(WeightOf(3), 4u);
}

// What is installed as an example has all options, and they are the defaults.
TEST_F(SettingsTest, TheExampleIsTheDefault) {
  EXPECT_EQ(Read({"--config", EXAMPLE_CONFIG}), std::nullopt) << error_;
  std::ifstream file(EXAMPLE_CONFIG);
  std::string text;
  bool options = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("#device", 0) == 0) options = true;
    if (!options || line.empty() || line.rfind("# ", 0) == 0) continue;
    text += line.substr(1) + "\n";
  }
  EXPECT_THAT(text, HasSubstr("rule = \""));
  const std::string name = File(text);
  const Settings defaults;
  EXPECT_EQ(Read({"--config", name.c_str()}), std::nullopt) << error_ << text;
  EXPECT_EQ(settings_.device, defaults.device);
  EXPECT_EQ(settings_.daemon.geometry.processes,
            defaults.daemon.geometry.processes);
  EXPECT_EQ(settings_.daemon.geometry.endpoints,
            defaults.daemon.geometry.endpoints);
  EXPECT_EQ(settings_.daemon.geometry.slots, defaults.daemon.geometry.slots);
  EXPECT_EQ(settings_.daemon.geometry.arrived,
            defaults.daemon.geometry.arrived);
  EXPECT_EQ(settings_.daemon.geometry.own, defaults.daemon.geometry.own);
  EXPECT_EQ(settings_.log_level, defaults.log_level);
  EXPECT_EQ(settings_.daemon.rules.size(), 3u);
}

TEST_F(SettingsTest, SaysWhatIsWrong) {
  const std::string unknown = File("endpoint = 8\n");
  const std::vector<std::pair<std::vector<const char*>, const char*>> wrong = {
      {{"--endpoints", "0"}, "endpoints"},
      {{"--slots", "1"}, "slots"},
      {{"--log-level", "loud"}, "log-level"},
      {{"--rule", "weight=x"}, "weight=x"},
      {{"--config", "/nonexistent"}, "/nonexistent"},
      {{"--config", unknown.c_str()}, "endpoint"},
      {{"--processes", "65536", "--endpoints", "1024"}, "more than"},
      {{"--endpoints", "60000", "--processes", "1"}, "256 MiB"},
      {{"--what"}, "--what"}};
  for (const auto& [arguments, text] : wrong) {
    EXPECT_EQ(Read(arguments), kExitUsage) << text;
    EXPECT_THAT(error_, HasSubstr(text));
  }
}

TEST_F(SettingsTest, CheckConfigSaysWhatIsLaidOut) {
  EXPECT_EQ(Read({"--check-config", "--endpoints", "5"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("5 endpoints (--endpoints)"));
  EXPECT_THAT(error_, IsEmpty());
}

TEST_F(SettingsTest, HelpNamesAllOptions) {
  EXPECT_EQ(Read({"--help"}), kExitOk);
  for (const char* option :
       {"--config", "--device", "--processes", "--endpoints", "--slots",
        "--arrived", "--own", "--rule", "--spin", "--log-level",
        "--check-config"}) {
    EXPECT_THAT(out_, HasSubstr(option));
  }
  EXPECT_EQ(Read({"--version"}), kExitOk);
}

}  // namespace
}  // namespace lauberhorn::nic::daemon
