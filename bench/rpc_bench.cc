// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
//
// This library and its peers in one run: every peer is a client's process on
// CPU 0 and a server's on CPU 1, and all of them take turns at each load. What
// it measures goes to CSV files, which tools/bench makes tables and plots of.
//
// Between turns a line is bounced between the CPUs (bench/columns.h says why);
// a turn before and after which the cores were not equally far does not count.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/call_costs.h"
#include "bench/columns.h"
#include "bench/cpu.h"
#include "bench/echo_peers.h"
#include "bench/load_process.h"
#include "bench/thermometer.h"

namespace lauberhorn::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kHelp[] =
    "usage: rpc_bench [--seconds S] [--only WORD,...] [--out FOLDER]\n"
    "       rpc_bench --calls COUNT --only PEER/MESSAGE\n"
    "       rpc_bench --list\n"
    "Measures this library and its peers, between CPU 0 and CPU 1, for S "
    "(180)\n"
    "seconds, or one round of all. With WORDs, what contains one of them in "
    "its name, like\n"
    "lauberhorn/64 B/closed 1; numbers are whole. Writes loads.csv, "
    "latencies.csv, threads.csv\n"
    "and costs.csv to FOLDER (.). With --calls only makes some calls, for\n"
    "tools that count.\n";

constexpr int kClientCpu = 0;
constexpr int kServerCpu = 1;
constexpr double kTurnSeconds = 0.1;
constexpr int kCountedCalls = 200;
constexpr std::size_t kShortMessage = 1;  // 64 bytes: has open loops, too

struct Options {
  double seconds = 180;
  std::vector<std::string> only;
  std::string out = ".";
  int calls = 0;
  bool list = false;

  bool Wants(const std::string& name) const {
    for (const std::string& word : only) {
      if (Has(name, word)) return true;
    }
    return only.empty();
  }

 private:
  // Numbers are whole: "closed 1" is not in "closed 128".
  static bool Has(const std::string& name, const std::string& word) {
    const auto is_digit = [&name](std::size_t at) {
      return absl::ascii_isdigit(static_cast<unsigned char>(name[at]));
    };
    for (std::size_t at = name.find(word); at != name.npos;
         at = name.find(word, at + 1)) {
      const std::size_t end = at + word.size();
      if (end == name.size() || !is_digit(end - 1) || !is_digit(end)) {
        return true;
      }
    }
    return false;
  }
};

std::vector<Message> Messages() {
  return {Message::Bytes(8), Message::Bytes(64), Message::Bytes(1024),
          Message::Record()};
}

std::vector<Load> Loads(bool with_open) {
  std::vector<Load> loads;
  const auto add = [&loads](Arrivals arrivals, std::uint32_t outstanding,
                            double rate) {
    loads.push_back({arrivals, outstanding, rate, kTurnSeconds, 1});
  };
  for (const std::uint32_t calls : {1u, 2u, 8u, 32u, 128u}) {
    add(Arrivals::kClosed, calls, 0);
  }
  if (!with_open) return loads;
  add(Arrivals::kFixed, 0, 10'000);
  for (const double rate : {1e3, 3e3, 10e3, 20e3, 40e3, 80e3, 160e3}) {
    add(Arrivals::kPoisson, 0, rate);
  }
  return loads;
}

std::string NameOf(const Load& load) {
  return absl::StrCat(
      NameOf(load.arrivals), " ",
      load.arrivals == Arrivals::kClosed ? load.outstanding : load.rate);
}

// One peer at one load, in one column.
struct Column {
  int turns = 0;
  LoadOutcome outcome;
  double floors_ns = 0;  // of all turns
};

// One peer at one load.
struct Cell {
  const PeerKind* kind;
  std::string message;
  Load load;
  Column near;
  Column far;
  int dropped = 0;
  absl::Status status;  // of the first turn that failed; there are no more

  std::string name() const {
    return absl::StrCat(kind->name, "/", message, "/", NameOf(load));
  }
};

// The files that are written.
class Files {
 public:
  explicit Files(const std::string& folder) : folder_(folder) {}
  ~Files() {
    for (std::FILE* file : {loads_, latencies_, threads_, costs_}) {
      if (file != nullptr) std::fclose(file);
    }
  }

  bool Open() {
    const std::string key = "peer,message,arrivals,outstanding,rate,column";
    loads_ = New("loads.csv",
                 key +
                     ",spins,turns,dropped,calls,unsent,seconds,rps,mean_us,"
                     "p50_us,p90_us,p99_us,p999_us,max_us,p50_floors,floor_us,"
                     "cpu_us_per_rpc,wakeups_per_rpc,error\n");
    latencies_ = New("latencies.csv", key + ",share,us\n");
    threads_ = New("threads.csv",
                   key + ",process,thread,cpu_us_per_rpc,wakeups_per_rpc\n");
    costs_ =
        New("costs.csv", "peer,message,allocations_per_rpc,syscalls_per_rpc\n");
    return loads_ != nullptr && latencies_ != nullptr && threads_ != nullptr &&
           costs_ != nullptr;
  }

  void Add(const Cell& cell) {
    if (cell.near.turns > 0) Add(cell, "near", cell.near);
    if (cell.far.turns > 0) Add(cell, "far", cell.far);
    if (!cell.status.ok()) Add(cell, "", Column());
    for (std::FILE* file : {loads_, latencies_, threads_}) std::fflush(file);
  }

  void Add(const PeerKind& kind, const std::string& message,
           const CallCosts& costs) {
    std::fprintf(costs_, "%s,%s,%.4g,%.4g\n", kind.name, message.c_str(),
                 costs.allocations, costs.syscalls);
    std::fflush(costs_);
  }

 private:
  std::FILE* New(const char* name, const std::string& header) {
    const std::string path = absl::StrCat(folder_, "/", name);
    std::FILE* const file = std::fopen(path.c_str(), "w");
    if (file == nullptr) {
      std::perror(path.c_str());
    } else {
      std::fputs(header.c_str(), file);
    }
    return file;
  }

  void Add(const Cell& cell, const char* name, const Column& column) {
    const std::string key = absl::StrCat(
        cell.kind->name, ",", cell.message, ",", NameOf(cell.load.arrivals),
        ",", cell.load.outstanding, ",", cell.load.rate, ",", name);
    const LoadResult& result = column.outcome.result;
    const Histogram& latencies = result.latencies;
    const auto calls = static_cast<double>(latencies.count());
    const auto each = [calls](double all) {
      return calls == 0 ? 0 : all / calls;
    };
    const auto us = [&latencies](double share) {
      return static_cast<double>(latencies.Percentile(share)) / 1e3;
    };
    Usage all;
    for (const auto& [thread, usage] : column.outcome.usage) {
      all += usage;
      std::fprintf(threads_, "%s,%s,%s,%.5g,%.4g\n", key.c_str(),
                   thread.first.c_str(), thread.second.c_str(),
                   each(static_cast<double>(usage.cpu_ns)) / 1e3,
                   each(static_cast<double>(usage.wakeups)));
    }
    const double floor_us =
        column.turns == 0 ? 0 : column.floors_ns / column.turns / 1e3;
    std::fprintf(
        loads_,
        "%s,%d,%d,%d,%.0f,%llu,%.4f,%.6g,%.5g,%.5g,%.5g,%.5g,%.5g,%.5g,%.4g,"
        "%.4g,%.5g,%.4g,\"%s\"\n",
        key.c_str(), cell.kind->spins ? 1 : 0, column.turns, cell.dropped,
        calls, static_cast<unsigned long long>(result.unsent),  // NOLINT
        result.seconds, result.seconds > 0 ? calls / result.seconds : 0,
        latencies.mean() / 1e3, us(0.5), us(0.9), us(0.99), us(0.999),
        static_cast<double>(latencies.max()) / 1e3,
        floor_us > 0 ? us(0.5) / floor_us : 0, floor_us,
        each(static_cast<double>(all.cpu_ns)) / 1e3,
        each(static_cast<double>(all.wakeups)),
        cell.status.ok() ? "" : absl::StrCat(cell.status.message()).c_str());
    // As HdrHistogram prints them: ever finer towards the end.
    for (double left = 1; calls > 0 && left * calls >= 1; left /= 1.25) {
      std::fprintf(latencies_, "%s,%.7g,%.5g\n", key.c_str(), 1 - left,
                   us(1 - left));
    }
    if (calls > 0) {
      std::fprintf(latencies_, "%s,1,%.5g\n", key.c_str(),
                   static_cast<double>(latencies.max()) / 1e3);
    }
  }

  const std::string folder_;
  std::FILE* loads_ = nullptr;
  std::FILE* latencies_ = nullptr;
  std::FILE* threads_ = nullptr;
  std::FILE* costs_ = nullptr;
};

// When it ends, and how much is left, which it says now and then.
class Timetable {
 public:
  explicit Timetable(double seconds) : seconds_(seconds) {}

  // Whether this share (0 to 1) of the time has passed.
  bool IsPast(double share) const { return Passed() >= share * seconds_; }

  void Tell(const std::string& what) {
    const double passed = Passed();
    if (passed < told_ + kEvery) return;
    told_ = passed;
    const int left = std::max(0, static_cast<int>(seconds_ - passed));
    std::fprintf(stderr, "bench: %3.0f %%, about %d:%02d left (%s)\n",
                 std::min(100.0, 100 * passed / seconds_), left / 60, left % 60,
                 what.c_str());
  }

 private:
  static constexpr double kEvery = 5;  // seconds

  double Passed() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

  const double seconds_;
  const Clock::time_point start_ = Clock::now();
  double told_ = 0;
};

int Failed(const std::string& what, const absl::Status& status) {
  std::fprintf(stderr, "bench: %s: %s\n", what.c_str(),
               status.ToString().c_str());
  return 1;
}

// All peers with one message: the processes live as long as this.
class Group {
 public:
  // The cells that are wanted; there may be none.
  Group(const Message& message, bool with_open, const Options& options)
      : message_(message) {
    for (const Load& load : Loads(with_open)) {
      for (const PeerKind& kind : Peers()) {
        Cell cell{&kind, message.name(), load, {}, {}, 0, {}};
        if (ThreadsFor(kind, load) > 0 && options.Wants(cell.name())) {
          cells_.push_back(std::move(cell));
        }
      }
    }
  }
  ~Group() { Stop(); }

  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  std::size_t size() const { return cells_.size(); }
  const std::vector<Cell>& cells() const { return cells_; }

  // Whole rounds, one at least, until that share of the time has passed.
  absl::Status Measure(double until, Thermometer& thermometer,
                       Timetable& timetable) {
    processes_.resize(Peers().size());
    for (std::size_t i = 0; i < Peers().size(); ++i) {
      if (!Has(Peers()[i])) continue;
      auto process =
          LoadProcess::Start(Peers()[i], message_, kClientCpu, kServerCpu);
      if (!process.ok()) return process.status();
      processes_[i] = *std::move(process);
    }
    for (int round = 0; round == 0 || !timetable.IsPast(until); ++round) {
      for (Cell& cell : cells_) {
        Turn(round, cell, thermometer);
        timetable.Tell(cell.name());
      }
    }
    Stop();
    return absl::OkStatus();
  }

  absl::Status CountCosts(Files& files) {
    for (const PeerKind& kind : Peers()) {
      if (!Has(kind)) continue;
      std::fprintf(stderr, "bench: counting %s/%s\n", kind.name,
                   message_.name().c_str());
      const absl::StatusOr<CallCosts> costs =
          bench::CountCosts(kind, message_, kCountedCalls);
      if (!costs.ok()) return costs.status();
      files.Add(kind, message_.name(), *costs);
    }
    return absl::OkStatus();
  }

 private:
  bool Has(const PeerKind& kind) const {
    for (const Cell& cell : cells_) {
      if (cell.kind == &kind) return true;
    }
    return false;
  }

  void Turn(int round, Cell& cell, Thermometer& thermometer) {
    if (!cell.status.ok()) return;
    LoadProcess& process =
        *processes_[static_cast<std::size_t>(cell.kind - Peers().data())];
    cell.load.seed = static_cast<std::uint64_t>(round) + 1;
    const double floor_ns = thermometer.floor_ns();
    Distance distance;
    distance.before = thermometer.bounce_ns();
    LoadOutcome outcome;
    const absl::Status status = process.Run(cell.load, &outcome);
    thermometer.Read();
    distance.after = thermometer.bounce_ns();
    if (!status.ok()) {
      cell.status = status;
      Failed(cell.name(), status);
      return;
    }
    const bool near = distance.IsNear();
    if (!near &&
        std::min(distance.before, distance.after) <= Distance::kNearNs) {
      ++cell.dropped;
      return;
    }
    Column& column = near ? cell.near : cell.far;
    ++column.turns;
    column.floors_ns += floor_ns;
    LoadOutcome& sum = column.outcome;
    sum.result.latencies.Add(outcome.result.latencies);
    sum.result.seconds += outcome.result.seconds;
    sum.result.unsent += outcome.result.unsent;
    for (const auto& [thread, usage] : outcome.usage) {
      sum.usage[thread] += usage;
    }
  }

  void Stop() {
    while (!processes_.empty()) processes_.pop_back();
  }

  const Message message_;
  std::vector<Cell> cells_;
  std::vector<std::unique_ptr<LoadProcess>> processes_;
};

int Measure(const Options& options) {
  Files files(options.out);
  if (!files.Open()) return 1;
  Thermometer thermometer(kClientCpu, kServerCpu);
  if (!thermometer.Read()) {
    return Failed("CPUs 0 and 1",
                  absl::FailedPreconditionError("not both to be had here"));
  }
  std::vector<std::unique_ptr<Group>> groups;
  std::size_t cells = 0;
  const std::vector<Message> messages = Messages();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    groups.push_back(
        std::make_unique<Group>(messages[i], i == kShortMessage, options));
    cells += groups.back()->size();
  }
  if (cells == 0) {
    std::fputs("bench: nothing has such a name; --list has all\n", stderr);
    return 2;
  }
  std::printf("CPUs that wait are %s.\n%zu loads in turns of %.1f s\n",
              KeepCpusAwake() ? "kept from halting deeply"
                              : "not kept from halting: no cpu_dma_latency",
              cells, kTurnSeconds);
  std::fflush(stdout);
  Timetable timetable(options.seconds);
  std::size_t done = 0;
  for (const auto& group : groups) {
    done += group->size();
    const double until = static_cast<double>(done) / static_cast<double>(cells);
    const absl::Status status = group->Measure(until, thermometer, timetable);
    if (!status.ok()) return Failed("starting", status);
    for (const Cell& cell : group->cells()) files.Add(cell);
  }
  for (const auto& group : groups) {
    const absl::Status status = group->CountCosts(files);
    if (!status.ok()) Failed("counting", status);
  }
  return 0;
}

// --calls, or --list.
int WithNames(const Options& options) {
  const std::vector<Message> messages = Messages();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    for (const PeerKind& kind : Peers()) {
      const std::string name = absl::StrCat(kind.name, "/", messages[i].name());
      for (const Load& load : Loads(i == kShortMessage)) {
        if (options.list && ThreadsFor(kind, load) > 0) {
          std::printf("%s/%s\n", name.c_str(), NameOf(load).c_str());
        }
      }
      if (!options.list && options.Wants(name)) {
        const absl::Status status = MakeCalls(kind, messages[i], options.calls);
        return status.ok() ? 0 : Failed(name, status);
      }
    }
  }
  return options.list ? 0 : 2;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (word == "--list") {
      options.list = true;
      continue;
    }
    ++i;
    bool good = i < argc;
    if (word == "--seconds") {
      good = absl::SimpleAtod(value, &options.seconds) && options.seconds > 0;
    } else if (word == "--only") {
      options.only = absl::StrSplit(value, ',', absl::SkipEmpty());
    } else if (word == "--out") {
      options.out = value;
    } else if (word == "--calls") {
      good = absl::SimpleAtoi(value, &options.calls) && options.calls > 0;
    } else {
      good = false;
    }
    if (!good) {
      std::fputs(kHelp, stderr);
      return 2;
    }
  }
  if (options.list || options.calls > 0) return WithNames(options);
  return Measure(options);
}

}  // namespace
}  // namespace lauberhorn::bench

int main(int argc, char** argv) { return lauberhorn::bench::Main(argc, argv); }
