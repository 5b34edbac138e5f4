// SPDX-FileCopyrightText: The Lauberhorn authors
// SPDX-License-Identifier: Apache-2.0
//
// What sysfs, debugfs and the tracepoints say of processes and of those who
// wait.
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "abi/host/cpu.h"
#include "abi/host/device.h"
#include "abi/host/region.h"
#include "gtest/gtest.h"
#include "tests/vm/kmod/child.h"
#include "tests/vm/kmod/device.h"
#include "tests/vm/kmod/module.h"
#include "tests/vm/kmod/nic.h"
#include "tests/vm/kmod/uring.h"

namespace lauberhorn::kmod {
namespace {

constexpr char kDebugfs[] = "/sys/kernel/debug/lauberhorn0/";
constexpr char kAttachments[] = "/sys/kernel/debug/lauberhorn0/attachments";
constexpr char kHead[] =
    "place generation pid uid state bound queued rings remembered\n";
constexpr char kTracing[] = "/sys/kernel/tracing/";

std::string Text(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::uint64_t Counter(const std::string& name) {
  const std::string text =
      Text("/sys/class/lauberhorn/lauberhorn0/counters/" + name);
  EXPECT_NE(text, "") << name;
  return std::strtoull(text.c_str(), nullptr, 10);
}

void Write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  EXPECT_TRUE(file.good()) << path;
}

// Whether the file has come to say this.
bool Shows(const std::string& lines) {
  const bool shows =
      Eventually([&] { return Text(kAttachments) == kHead + lines; });
  if (!shows) ADD_FAILURE() << Text(kAttachments) << "not " << lines;
  return shows;
}

// The lines of a file of debugfs but for the first, word by word.
std::vector<std::vector<std::string>> Lines(const std::string& name,
                                            const std::string& head) {
  std::ifstream file(kDebugfs + name);
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, head);
  std::vector<std::vector<std::string>> lines;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    lines.emplace_back(std::istream_iterator<std::string>(words),
                       std::istream_iterator<std::string>());
  }
  return lines;
}

struct CpuShown {
  std::string mode;
  int endpoint;
  std::string scheduling_class;
  std::uint64_t kick;
  std::string channel;
};

CpuShown ShowCpu(std::size_t cpu) {
  const auto lines =
      Lines("cpus",
            "cpu mode endpoint nr class flags departed seq kick seen channel");
  if (lines.size() <= cpu || lines[cpu].size() != 11) return {};
  const std::vector<std::string>& words = lines[cpu];
  EXPECT_EQ(words[0], std::to_string(cpu));
  return {words[1], std::stoi(words[2]), words[4], std::stoull(words[8]),
          words[10]};
}

// Whether the file has come to have these lines.
bool ShowsEndpoints(const std::vector<std::vector<std::string>>& lines) {
  return Eventually([&] {
    return Lines("endpoints",
                 "endpoint place generation thread state cpus queued rings "
                 "remembered") == lines;
  });
}

struct KickShown {
  std::uint64_t number;
  std::uint64_t nanoseconds;
  std::uint64_t cpu;
  std::uint64_t endpoint;
  std::string what;
  std::string from;
};

std::vector<KickShown> ShowKicks() {
  std::vector<KickShown> kicks;
  for (const std::vector<std::string>& words :
       Lines("kicks", "number nanoseconds cpu endpoint for from")) {
    EXPECT_EQ(words.size(), 6U);
    if (words.size() != 6) continue;
    kicks.push_back({std::stoull(words[0]), std::stoull(words[1]),
                     std::stoull(words[2]), std::stoull(words[3]), words[4],
                     words[5]});
  }
  return kicks;
}

std::uint64_t LastKick() {
  const std::vector<KickShown> kicks = ShowKicks();
  return kicks.empty() ? 0 : kicks.back().number;
}

constexpr const char* kEvents[] = {"nic", "ask",  "attach", "left",
                                   "end", "park", "wake",   "interrupt"};

std::string EventPath(const std::string& name) {
  return std::string(kTracing) + "events/lauberhorn/lauberhorn_" + name;
}

// The module's tracepoints write into an empty trace as long as this lives.
class Trace {
 public:
  Trace() {
    Write(std::string(kTracing) + "trace", "");
    Enable("1");
  }
  ~Trace() { Enable("0"); }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  static std::string Lines() { return Text(std::string(kTracing) + "trace"); }

 private:
  static void Enable(const std::string& value) {
    for (const char* const name : kEvents) {
      Write(EventPath(name) + "/enable", value);
    }
  }
};

void ExpectTraced(const std::string& text) {
  EXPECT_NE(Trace::Lines().find(text), std::string::npos)
      << "no " << text << " in\n"
      << Trace::Lines();
}

TEST(Observe, DebugfsShowsWhoWaits) {
  const auto nic = Nic::Started();
  EXPECT_TRUE(Shows(""));
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    CommandRing ring;
    const lh_device_park park = ParkOnNothing(1);
    ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
    std::thread first([&] { EXPECT_EQ(device.Park(0), 0); });
    std::thread second([&] { EXPECT_EQ(device.Park(1), 0); });
    first.join();
    second.join();
    EXPECT_EQ(ring.Wait(), Completion(1, 0));
    test.Say('w');
    test.Await('q');
  });
  const std::string pid = std::to_string(child.pid());
  const lh_nic_event event = nic->Next(LH_NIC_EVENT_ATTACH);
  EXPECT_TRUE(Shows("0 1 " + pid + " 0 asks 0 0 0 0\n"));
  const Part part = nic->Accept(event);
  EXPECT_TRUE(Shows("0 1 " + pid + " 0 attached 0 2 1 0\n"));
  EXPECT_EQ(nic->Wake(part, 3), LH_ANSWER_EARLY);
  EXPECT_TRUE(Shows("0 1 " + pid + " 0 attached 0 2 1 1\n"));
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_DONE);
  EXPECT_TRUE(Shows("0 1 " + pid + " 0 attached 0 1 1 1\n"));
  EXPECT_EQ(nic->Wake(part, 1), LH_ANSWER_DONE);
  EXPECT_TRUE(Shows("0 1 " + pid + " 0 attached 0 0 1 1\n"));
  EXPECT_EQ(nic->Wake(part, 1), LH_ANSWER_DONE);
  ASSERT_TRUE(child.Says('w'));
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
  EXPECT_EQ(Text(kAttachments).find(" left 0 0 0 1\n"),
            Text(kAttachments).find(" left "));
  EXPECT_NE(Text(kAttachments).find(" left "), std::string::npos);
  EXPECT_EQ(nic->End(nic->Next(LH_NIC_EVENT_LEFT)), 0);
  EXPECT_TRUE(Shows(""));
}

TEST(Observe, DebugfsShowsEndpoints) {
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Park(2), 0);
    test.Await('q');
  });
  const Part part = nic->Accept();
  EXPECT_TRUE(
      ShowsEndpoints({{"2", "0", "1", "0", "unbound", "-", "1", "0", "0"}}));
  EXPECT_EQ(nic->Wake(part, 2), LH_ANSWER_DONE);
  EXPECT_TRUE(ShowsEndpoints({}));
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
}

TEST(Observe, CountersTellAnswers) {
  const std::uint64_t done = Counter("done");
  const std::uint64_t early = Counter("early");
  const std::uint64_t stale = Counter("stale");
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Park(1), 0);
    test.Await('q');
  });
  const Part part = nic->Accept();
  EXPECT_EQ(nic->Wake(part, 3), LH_ANSWER_EARLY);
  ASSERT_TRUE(child.Parks());
  EXPECT_EQ(nic->Wake(part, 1), LH_ANSWER_DONE);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
  EXPECT_EQ(Counter("done"), done + 1);
  EXPECT_EQ(Counter("early"), early + 1);
  EXPECT_EQ(Counter("stale"), stale);
}

TEST(Observe, DebugfsIsTheDevices) {
  ASSERT_TRUE(Unbind());
  EXPECT_FALSE(std::ifstream(kAttachments).good());
  ASSERT_TRUE(Bind());
  EXPECT_TRUE(Shows(""));
}

TEST(Observe, TracepointsTellWhatHappens) {
  const Trace trace;
  const auto nic = Nic::Started();
  Child refused([](const Parent&) {
    Device device;
    EXPECT_EQ(device.Attach(), EACCES);
  });
  const std::string first = std::to_string(refused.pid());
  const lh_nic_event event = nic->Next(LH_NIC_EVENT_ATTACH);
  EXPECT_EQ(nic->Answer(event.process, event.generation, EACCES), 0);
  EXPECT_TRUE(refused.EndsWell());
  ExpectTraced("lauberhorn_attach: device=0 place=0 generation=1 pid=" + first +
               " uid=0 error=-13\n");
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    CommandRing ring;
    const lh_device_park park = ParkOnNothing(2);
    ring.Call(1, device.file(), LH_DEVICE_PARK, &park);
    EXPECT_EQ(device.Park(1), 0);
    test.Say('w');
    test.Await('q');
  });
  const std::string pid = std::to_string(child.pid());
  const Part part = nic->Accept();
  ASSERT_TRUE(child.Parks());
  EXPECT_EQ(nic->Wake(part, 1), LH_ANSWER_DONE);
  EXPECT_EQ(nic->Wake(part, 0), LH_ANSWER_EARLY);
  ASSERT_TRUE(child.Says('w'));
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
  EXPECT_EQ(nic->End(nic->Next(LH_NIC_EVENT_LEFT)), 0);
  const std::string epoch = std::to_string(nic->attached().epoch);
  nic->Close();
  const std::string life = "lauberhorn_nic: device=0 epoch=" + epoch;
  ExpectTraced(life + " features=0x0 life=ATTACHED\n");
  ExpectTraced(life + " features=0x3 life=STARTED\n");
  ExpectTraced(life + " features=0x3 life=DOWN\n");
  ExpectTraced("lauberhorn_ask: device=0 place=0 generation=2\n");
  ExpectTraced("lauberhorn_end: device=0 place=0 generation=2\n");
  const std::string where = " device=0 endpoint=";
  ExpectTraced("lauberhorn_attach: device=0 place=0 generation=2 pid=" + pid +
               " uid=0 error=0\n");
  ExpectTraced("lauberhorn_park:" + where + "2 generation=2 where=RING\n");
  ExpectTraced("lauberhorn_park:" + where + "1 generation=2 where=QUEUE\n");
  ExpectTraced("lauberhorn_wake:" + where +
               "1 generation=2 cpu=-1 answer=DONE\n");
  ExpectTraced("lauberhorn_wake:" + where +
               "0 generation=2 cpu=-1 answer=EARLY\n");
  ExpectTraced("lauberhorn_left: device=0 place=0 generation=2\n");
}

// Names for the module's values, where programs find how to read a trace.
TEST(Observe, TracepointsTellProgramsWhatValuesMean) {
  for (const char* const name : kEvents) {
    const std::string format = Text(EventPath(name) + "/format");
    EXPECT_NE(format, "") << name;
    EXPECT_EQ(format.find("LH_"), std::string::npos) << format;
  }
  EXPECT_NE(Text(EventPath("wake") + "/format").find("{ 5, \"OFFLINE\" }"),
            std::string::npos);
}

// What the scheduler has to do with it.
TEST(ObserveBound, BothShowThreadsThatAreBound) {
  const Trace trace;
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    Device device;
    EXPECT_EQ(device.Attach(), 0);
    EXPECT_EQ(device.Bind(3), 0);
    EXPECT_EQ(device.Park(3), 0);
    test.Await('q');
  });
  const Part part = nic->Accept();
  ASSERT_TRUE(nic->Becomes(3, LH_ENDPOINT_PARKED));
  EXPECT_TRUE(
      Shows("0 1 " + std::to_string(child.pid()) + " 0 attached 1 0 0 0\n"));
  const std::uint64_t interrupts = Counter("interrupts");
  EXPECT_EQ(nic->Interrupt(1), 0);
  EXPECT_EQ(Counter("interrupts"), interrupts + 1);
  EXPECT_EQ(nic->Wake(part, 3), LH_ANSWER_DONE);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
  ExpectTraced(
      "lauberhorn_park: device=0 endpoint=3 generation=1 "
      "where=SCHEDULER\n");
  ExpectTraced("lauberhorn_interrupt: device=0 cpu=1\n");
}

volatile sig_atomic_t handled;

void CountSignals() {
  signal(SIGUSR1, [](int) { handled = handled + 1; });
}

// Runs on CPU 1, bound to endpoint 3, and handles signals, until it is to end.
void SpinBound(const Parent& test) {
  PinTo(1);
  CountSignals();
  Device device;
  EXPECT_EQ(device.Attach(), 0);
  EXPECT_EQ(device.Map(), 0);
  EXPECT_EQ(device.Bind(3), 0);
  test.Say('s');
  while (!test.Asks()) {
  }
  EXPECT_EQ(device.Unbind(), 0);
}

// The same for a thread that is not bound, and so many signals.
void SpinUnbound(const Parent& test, int signals) {
  PinTo(1);
  CountSignals();
  for (int number = 0; number < signals; ++number) {
    test.Say('s');
    while (handled <= number) {
    }
  }
  test.Say('e');
}

class ObserveWords : public ::testing::Test {
 protected:
  // This test runs on the other CPU.
  void SetUp() override { PinTo(0); }
  void TearDown() override { PinToAny(); }
};

TEST_F(ObserveWords, DebugfsShowsThem) {
  const auto nic = Nic::Started();
  Child child([](const Parent& test) {
    SpinBound(test);
    test.Await('q');
  });
  const std::string pid = std::to_string(child.pid());
  nic->Accept();
  ASSERT_TRUE(child.Says('s'));
  ASSERT_TRUE(Eventually([] { return ShowCpu(1).mode == "bound"; }));
  EXPECT_EQ(ShowCpu(1).endpoint, 3);
  EXPECT_EQ(ShowCpu(1).scheduling_class, "fair");
  EXPECT_EQ(ShowCpu(1).channel, "open");
  EXPECT_EQ(ShowCpu(0).mode, "other");
  EXPECT_EQ(ShowCpu(0).endpoint, -1);
  const std::string cpus = Shown("missing") == "nothing" ? "1" : "unknown";
  EXPECT_TRUE(
      ShowsEndpoints({{"3", "0", "1", pid, "runnable", cpus, "0", "0", "0"}}));
  child.Say('u');
  EXPECT_TRUE(ShowsEndpoints({}));
  EXPECT_TRUE(Eventually([] { return ShowCpu(1).mode.find("idle") == 0; }));
  EXPECT_EQ(ShowCpu(1).endpoint, -1);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
}

// That of a NIC which leaves no room for answers.
TEST_F(ObserveWords, DebugfsShowsABrokenChannel) {
  const auto nic = Nic::Started();
  const nic::KernelCommand run = nic->Run({}, 0);
  for (std::uint32_t slot = 0; slot < nic->info()->slots; ++slot) {
    nic->Command(1, run);
    ASSERT_TRUE(Eventually([&] { return nic->HasRoom(1); }));
  }
  EXPECT_NE(ShowCpu(1).channel, "broken");
  nic->Command(1, run);
  EXPECT_TRUE(Eventually([] { return ShowCpu(1).channel == "broken"; }));
  EXPECT_NE(ShowCpu(0).channel, "broken");
}

// A NIC that needs to be told of interrupts.
std::unique_ptr<Nic> StartKicked() {
  auto nic = std::make_unique<Nic>();
  EXPECT_EQ(nic->Attach(), 0);
  nic->LayOut();
  nic->info()->features |= LH_FEATURE_NEEDS_KICK;
  EXPECT_EQ(nic->Start(), 0);
  return nic;
}

TEST(Series, DebugfsShowsTheLastKicks) {
  PinTo(0);
  const std::uint64_t before = LastKick();
  const auto nic = StartKicked();
  Child child(&SpinBound);
  nic->Accept();
  ASSERT_TRUE(child.Says('s'));
  ASSERT_TRUE(Eventually([&] {
    kill(child.pid(), SIGUSR1);
    return LastKick() >= before + 70;
  }));
  EXPECT_GE(ShowCpu(1).kick, 70U);
  child.Say('q');
  EXPECT_TRUE(child.EndsWell());
  const std::vector<KickShown> kicks = ShowKicks();
  ASSERT_EQ(kicks.size(), 64U);
  for (std::size_t at = 0; at < kicks.size(); ++at) {
    EXPECT_EQ(kicks[at].number, kicks[0].number + at);
    EXPECT_GE(kicks[at].nanoseconds, kicks[0].nanoseconds);
    EXPECT_EQ(kicks[at].cpu, 1U);
    EXPECT_EQ(kicks[at].endpoint, 3U);
  }
  EXPECT_TRUE(std::any_of(
      kicks.begin(), kicks.end(),
      [](const KickShown& kick) { return kick.what == "schedule"; }));
  // The same without a bound thread kicks nobody.
  Child other([](const Parent& test) { SpinUnbound(test, 5); });
  for (int signal = 0; signal < 5; ++signal) {
    ASSERT_TRUE(other.Says('s'));
    kill(other.pid(), SIGUSR1);
  }
  EXPECT_TRUE(other.Says('e'));
  EXPECT_EQ(LastKick(), kicks.back().number);
  PinToAny();
}

}  // namespace
}  // namespace lauberhorn::kmod
