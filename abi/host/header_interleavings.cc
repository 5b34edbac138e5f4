/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The channel header in all interleavings: every scenario at D = 2 and 3, then
// the same scenarios with the macros or their use broken on purpose, which must
// be found. A plain program, so that it can print figures and replay a schedule.

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "testing/channel_world.h"

namespace lauberhorn::testing
{
namespace
{

constexpr char kHelp[] =
	"usage: header_interleavings [--list | --replay SCENARIO SCHEDULE]\n"
	"Runs the operations of abi/host/channel.h and bell.h in all\n"
	"interleavings of small scenarios and checks them against the edge table.\n"
	"  --list    print the scenarios' names\n"
	"  --replay  print one schedule of a scenario, as a violation names it\n";

struct SeededFault {
	const char *name;
	Fault fault;
	Misuse misuse;
};

constexpr SeededFault kFaults[] = {
	{ "compare-and-swap ignores what it expects",
	  Fault::kCasIgnoresExpected, Misuse::kNone },
	{ "release store orders nothing", Fault::kStoreIsRelaxed,
	  Misuse::kNone },
	{ "release store overtakes the message", Fault::kStoreOvertakes,
	  Misuse::kNone },
	{ "acquire load orders nothing", Fault::kLoadIsRelaxed, Misuse::kNone },
	{ "compare-and-swap orders nothing", Fault::kCasIsRelaxed,
	  Misuse::kNone },
	{ "no light fence", Fault::kNoLightFence, Misuse::kNone },
	{ "no heavy fence", Fault::kNoHeavyFence, Misuse::kNone },
	{ "heavy fence does not reach the host", Fault::kHeavyFenceReachesSelf,
	  Misuse::kNone },
	{ "sleep without a look at the word", Fault::kSleepDoesNotLook,
	  Misuse::kNone },
	{ "wake is lost", Fault::kWakeIsLost, Misuse::kNone },
	{ "ring is lost", Fault::kRingIsLost, Misuse::kNone },
	{ "a fill keeps the tag", Fault::kTagStays, Misuse::kNone },
	{ "message read before the take", Fault::kNone,
	  Misuse::kReadBeforeTake },
	{ "message read after the release", Fault::kNone,
	  Misuse::kReadAfterRelease },
	{ "message written after it was given", Fault::kNone,
	  Misuse::kWriteAfterGive },
	{ "slot given back before the message is read", Fault::kNone,
	  Misuse::kCollectBeforeRead },
	{ "message written to a slot that is not free", Fault::kNone,
	  Misuse::kDeliverUnasked },
	{ "the older of two is revoked", Fault::kNone, Misuse::kRevokeOlder },
	{ "no look after the flag", Fault::kNone, Misuse::kNoLookAfterLeave },
	{ "lane looked at before the bell's bits", Fault::kNone,
	  Misuse::kLookBeforeBits },
	{ "flag after the last look", Fault::kNone, Misuse::kSleepBeforeFlag },
	{ "no look at the flags after a put", Fault::kNone, Misuse::kNoBell },
	{ "no look at the backlog before a sleep", Fault::kNone,
	  Misuse::kNoLookAtBacklog },
	{ "parked thread is not woken", Fault::kNone, Misuse::kNoWake },
	{ "thread goes though the close failed", Fault::kNone,
	  Misuse::kCloseAndForget },
	{ "nested reply on the serve channel", Fault::kNone,
	  Misuse::kNestedOnServe },
};

std::vector<NamedScenario> Scenarios(Misuse misuse)
{
	std::vector<NamedScenario> list;
	for (int slots : { 2, 3 }) {
		AddLaneScenarios(slots, misuse, &list);
		AddWaitScenarios(slots, misuse, &list);
		AddBellScenarios(slots, misuse, &list);
		AddEndpointScenarios(slots, misuse, &list);
	}
	return list;
}

class Runner
{
      public:
	int RunAll();
	int Replay(const std::string &name, const std::string &schedule);

      private:
	void Report(bool passed)
	{
		++(passed ? passed_ : failed_);
	}
	void RunCorrect();
	void CheckReached();
	void RunSeeded(const SeededFault &seeded);

	Interleaver run_{ ChannelWorld::Memory(), sizeof(SharedMemory) };
	std::array<uint64_t, LH_EDGES> edges_{};
	std::array<uint64_t, LH_BAD_WORD + 1> deliveries_{};
	uint64_t schedules_ = 0;
	int violations_ = 0;
	int passed_ = 0;
	int failed_ = 0;
};

void Runner::RunCorrect()
{
	std::printf("%-58s %10s %6s %6s\n", "scenario", "schedules", "steps",
		    "s");
	for (NamedScenario &named : Scenarios(Misuse::kNone)) {
		const auto start = std::chrono::steady_clock::now();
		const Outcome outcome = run_.Run(*named.scenario, {});
		const std::chrono::duration<double> seconds =
			std::chrono::steady_clock::now() - start;
		std::printf("%-58s %10llu %6d %6.2f%s\n", named.name.c_str(),
			    static_cast<unsigned long long>(outcome.schedules),
			    outcome.longest, seconds.count(),
			    outcome.exhaustive ? "" : "  not exhaustive");
		schedules_ += outcome.schedules;
		Report(outcome.exhaustive);
		if (!outcome.violation.empty()) {
			++violations_;
			std::printf(
				"VIOLATION in '%s': %s\n%sreplay with: --replay '%s' %s\n",
				named.name.c_str(), outcome.violation.c_str(),
				outcome.trace.c_str(), named.name.c_str(),
				outcome.replay.c_str());
		}
		for (size_t i = 0; i < edges_.size(); ++i) {
			edges_[i] += named.scenario->edges_taken()[i];
		}
		for (size_t i = 0; i < deliveries_.size(); ++i) {
			deliveries_[i] += named.scenario->deliveries()[i];
		}
		std::fflush(stdout);
	}
}

// What no schedule reached was not checked.
void Runner::CheckReached()
{
	for (size_t i = 0; i < edges_.size(); ++i) {
		Report(edges_[i] > 0);
		if (edges_[i] == 0)
			std::printf("edge %zu was never taken\n", i);
	}
	for (int delivery :
	     { LH_DELIVERED, LH_DELIVERED_WAKE, LH_LANE_CLOSED }) {
		const bool reached =
			deliveries_[static_cast<size_t>(delivery)] > 0;
		Report(reached);
		if (!reached)
			std::printf("no delivery ended with %d\n", delivery);
	}
}

// Looks at a few schedules of every scenario, then at more: most faults show
// early in one of them.
void Runner::RunSeeded(const SeededFault &seeded)
{
	Options options;
	options.fault = seeded.fault;
	for (uint64_t most : { 20u, 200u, 2000u, 20000u }) {
		options.most_schedules = most;
		for (NamedScenario &named : Scenarios(seeded.misuse)) {
			const Outcome outcome =
				run_.Run(*named.scenario, options);
			if (outcome.violation.empty())
				continue;
			std::printf("found: %s\n       in '%s': %s\n",
				    seeded.name, named.name.c_str(),
				    outcome.violation.c_str());
			Report(true);
			return;
		}
	}
	std::printf("MISSED: %s\n", seeded.name);
	Report(false);
}

int Runner::RunAll()
{
	RunCorrect();
	CheckReached();
	for (const SeededFault &seeded : kFaults)
		RunSeeded(seeded);
	std::printf("FIGURE header_schedules_run %llu schedules\n",
		    static_cast<unsigned long long>(schedules_));
	std::printf("FIGURE header_violations %d violations\n", violations_);
	std::printf("%d passed, %d failed\n", passed_, failed_);
	return failed_ == 0 ? 0 : 1;
}

int Runner::Replay(const std::string &name, const std::string &schedule)
{
	for (NamedScenario &named : Scenarios(Misuse::kNone)) {
		if (named.name != name)
			continue;
		const Outcome outcome =
			run_.Replay(*named.scenario, {}, schedule);
		std::printf("%s%s\n", outcome.trace.c_str(),
			    outcome.violation.empty() ?
				    "no violation" :
				    outcome.violation.c_str());
		return outcome.violation.empty() ? 0 : 1;
	}
	std::fprintf(
		stderr,
		"header_interleavings: no scenario '%s'; --list names them\n",
		name.c_str());
	return 2;
}

int Main(int argc, char **argv)
{
	if (argc == 1)
		return Runner().RunAll();
	if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
		for (const NamedScenario &named : Scenarios(Misuse::kNone)) {
			std::printf("%s\n", named.name.c_str());
		}
		return 0;
	}
	if (argc == 4 && std::strcmp(argv[1], "--replay") == 0) {
		return Runner().Replay(argv[2], argv[3]);
	}
	const bool asked = argc == 2 && std::strcmp(argv[1], "--help") == 0;
	std::fputs(kHelp, asked ? stdout : stderr);
	return asked ? 0 : 2;
}

} // namespace
} // namespace lauberhorn::testing

int main(int argc, char **argv)
{
	return lauberhorn::testing::Main(argc, argv);
}
